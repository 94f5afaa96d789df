//go:build crash

// Package crash_test cuts the power under a real file system: the agent upgrades
// a device whose disk, an ext4 on a block device of the test's own, stops at any
// write; what the cut left is mounted, the agent starts, and the upgrade has to
// end as if nothing had happened.
//
// One flow through it: for each upgrade of the table, one that nothing disturbs
// counts the writes; for each of them a device is upgraded anew until that write,
// and loses what was not flushed in one of three ways. The platform lives on, so
// that the device's second life must fit to what its first one has reported.
//
// It needs root, /dev/fuse and loop devices, so it is left out of the ordinary
// tests: make test-crash. CRASHES says how many cuts there are, about (2500).
package crash_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// agentProgram is the built agent. It is static: it runs where nothing else is.
var agentProgram string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "ota-crash-")
	if err == nil {
		agentProgram = filepath.Join(dir, "ota-agent")
		err = os.Setenv("CGO_ENABLED", "0")
	}
	if err == nil {
		err = harness.BuildAgent(agentProgram, "1.0.0")
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// upgrade is a plan of one or more components.
type upgrade struct {
	name      string
	onFailure ota.OnFailure
	end       ota.DeviceStatus
	parts     []part
}

// upgrades are what the power is cut under.
var upgrades = []upgrade{
	{"file", ota.Stop, ota.DeviceUpgraded, []part{{"app", file, plain, "upgrade_succeeded"}}},
	{"file, zstd", ota.Stop, ota.DeviceUpgraded, []part{{"app", file, compressed, "upgrade_succeeded"}}},
	{"file, delta", ota.Stop, ota.DeviceUpgraded, []part{{"app", file, delta, "upgrade_succeeded"}}},
	{"slot", ota.Stop, ota.DeviceUpgraded, []part{{"rootfs", slots, plain, "upgrade_succeeded"}}},
	{"slot, delta", ota.Stop, ota.DeviceUpgraded, []part{{"rootfs", slots, delta, "upgrade_succeeded"}}},
	{"slot and file, rolled back", ota.Revert, ota.DeviceUpgradeFailed, []part{
		{"rootfs", slots, compressed, "upgrade_failed: reverted"},
		{"app", file, rotten, "upgrade_failed: unpack_failed"},
	}},
}

var losses = []loss{nothing, torn, reordered}

func TestPowerCutsUnderAFileSystem(t *testing.T) {
	crashes := 2500
	if given := os.Getenv("CRASHES"); given != "" {
		var err error
		crashes, err = strconv.Atoi(given)
		require.NoError(t, err, "CRASHES")
	}
	var scenes []*scene
	writes := 0
	for _, u := range upgrades {
		s := newScene(t, u)
		scenes = append(scenes, s)
		writes += s.writes
	}
	t.Run("cuts", func(t *testing.T) {
		for _, s := range scenes {
			images := (crashes*s.writes + writes - 1) / writes // each write as often as any other
			for i := range images {
				t.Run(fmt.Sprint(s.name, "/", i), func(t *testing.T) {
					t.Parallel()
					s.cut(t, 1+i*s.writes/images, losses[i%len(losses)], rand.New(rand.NewPCG(uint64(i), 0)))
				})
			}
		}
	})
	const line = "%-27v %7v %13v %15v %11v"
	t.Logf(line, "upgrade", "writes", "crash images", "in the middle", "wrong ends")
	var all counts
	for _, s := range scenes {
		t.Logf(line, s.name, s.writes, s.images.Load(), s.early.Load(), s.wrong.Load())
		all.images.Add(s.images.Load())
		all.early.Add(s.early.Load())
		all.wrong.Add(s.wrong.Load())
	}
	t.Logf(line, "all", writes, all.images.Load(), all.early.Load(), all.wrong.Load())
}

// counts are of the crash images of one upgrade.
type counts struct {
	images atomic.Int64
	early  atomic.Int64 // of cuts in the middle of the upgrade
	wrong  atomic.Int64 // that did not come to their end
}

// scene is an upgrade with all that its trials have in common.
type scene struct {
	upgrade
	key      harness.Key
	packages []*harness.Package
	clean    []byte // the disk before it
	writes   int    // of the upgrade when nothing disturbs it
	counts
}

func newScene(t *testing.T, u upgrade) *scene {
	s := &scene{upgrade: u, key: harness.NewKey(t)}
	files := map[string][]byte{}
	for _, p := range u.parts {
		s.packages = append(s.packages, p.pack(t, s.key))
		p.install(files)
	}
	s.clean = template(t, files)
	whole := newTrial(t, s)
	whole.insert(s.clean)
	whole.disk.arm(0)
	whole.live(whole.ended)
	whole.judge()
	s.writes = whole.disk.count()
	whole.remove()
	require.Greater(t, s.writes, 50)
	return s
}

// cut has a device upgrade itself until a write, and judges what becomes of the
// upgrade on what that write has left of the disk.
func (s *scene) cut(t *testing.T, at int, l loss, random *rand.Rand) {
	s.images.Add(1)
	defer func() {
		if t.Failed() {
			s.wrong.Add(1)
			t.Logf("%s: cut at write %d, %s", s.name, at, l)
		}
	}()
	r := newTrial(t, s)
	r.insert(s.clean)
	r.disk.arm(at)
	early := false
	r.live(func() bool {
		early = r.disk.isCut()
		return early || r.ended() // not every life has as many writes as the first one had
	})
	if early {
		s.early.Add(1)
	}
	left := r.disk.image(l, random)
	r.remove()
	r.insert(left)
	r.whole()
	r.live(r.ended)
	r.judge()
	r.remove()
}
