//go:build crash

// Package crash_test cuts the power under a real file system: the agent upgrades
// a device whose disk, an ext4 on a block device of the test's own, stops at any
// write; what the cut left is mounted, the agent starts, and the upgrade has to
// end as if nothing had happened.
//
// One flow through it: a whole upgrade counts the writes; for each of them, and
// each way of losing what was not flushed, a device is upgraded anew until that
// write. The platform lives on, so that the device's second life must fit to
// what its first one has reported.
//
// It needs root, /dev/fuse and loop devices, and half an hour, so it is left out
// of the ordinary tests: make test-crash. CRASHES says how many cuts (2000).
package crash_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

var programs harness.Programs

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "ota-crash-")
	if err == nil {
		programs, err = harness.Build(dir, "1.0.0")
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

const imageSize = 300 << 10 // five chunks

func TestPowerCutsUnderAFileSystem(t *testing.T) {
	before, after := harness.Image(1, imageSize), harness.Image(2, imageSize)
	clean := template(t, map[string][]byte{"app.bin": before})
	crashes := 2000
	if given, err := strconv.Atoi(os.Getenv("CRASHES")); err == nil {
		crashes = given
	}

	whole := newTrial(t, clean, after)
	whole.live(0)
	whole.ends()
	writes := whole.disk.count()
	whole.agent.Stop()
	whole.unmount()
	t.Logf("an upgrade is %d writes", writes)
	require.Greater(t, writes, 50)

	var begun, done, resumed atomic.Int64
	t.Run("cuts", func(t *testing.T) {
		for i := range crashes {
			cutAt := i%writes + 1
			lost := []loss{nothing, torn, reordered}[i/writes%3]
			t.Run(fmt.Sprintf("%d_%d", cutAt, i/writes), func(t *testing.T) {
				t.Parallel()
				begun.Add(1)
				trial := newTrial(t, clean, after)
				if trial.cut(cutAt, lost, rand.New(rand.NewPCG(uint64(i), 0))) {
					resumed.Add(1)
				}
				live := trial.read("app.bin")
				assert.True(t, bytes.Equal(live, before) || bytes.Equal(live, after), "the live file is whole")
				trial.agent = trial.device.Start()
				trial.ends()
				trial.agent.Stop()
				trial.unmount()
				if !t.Failed() {
					done.Add(1)
				}
			})
		}
	})
	t.Logf("%d crash images, %d of them in the middle of the upgrade, %d wrong ends", begun.Load(), resumed.Load(), begun.Load()-done.Load())
}

// trial is one device, its disk and its platform.
type trial struct {
	t        *testing.T
	disk     *disk
	mount    string
	mounted  bool
	platform *harness.Platform
	device   *harness.Device
	agent    *harness.Process
	after    []byte
}

func newTrial(t *testing.T, image, after []byte) *trial {
	key := harness.NewKey(t)
	r := &trial{t: t, mount: t.TempDir(), after: after, disk: newDisk(t, image),
		platform: harness.StartPlatform(t, platform.Config{})}
	r.device = harness.NewDevice(t, programs, r.platform.BrokerURL(), key)
	r.device.Settings["state_dir"] = filepath.Join(r.mount, "state")
	r.device.Components(harness.FileComponent("app", "1.0.0", harness.Settings{"path": filepath.Join(r.mount, "app.bin")}))
	r.platform.Offer(harness.Plan{ID: "p"}, harness.Pack(t, "app", "2.0.0", 2, after, nil, key))
	t.Cleanup(r.unmount)
	return r
}

// live starts the device's first life, which ends with a write; 0 for none.
func (r *trial) live(cutAt int) {
	sh(r.t, "mount", "-o", "loop", r.disk.path(), r.mount)
	r.mounted = true
	r.disk.arm(cutAt)
	r.agent = r.device.Start()
}

// cut lets the first life go until its last write, and mounts what is left of
// the disk. It says whether the cut came before the upgrade's end.
func (r *trial) cut(cutAt int, l loss, random *rand.Rand) bool {
	r.live(cutAt)
	early := true
	harness.Await(r.t, "the cut", func() bool {
		select {
		case <-r.disk.cut:
			return true
		default:
		}
		// Not every life has as many writes as the first one had.
		early = r.platform.Status("p", r.device) != ota.DeviceUpgraded
		return !early
	})
	r.agent.Kill()
	left := r.disk.image(l, random)
	r.unmount()
	path := filepath.Join(r.t.TempDir(), "left")
	require.NoError(r.t, os.WriteFile(path, left, 0o600))
	sh(r.t, "mount", "-o", "loop", path, r.mount)
	r.mounted = true
	return early
}

func (r *trial) unmount() {
	if r.mounted {
		r.mounted = false
		sh(r.t, "umount", r.mount)
	}
}

// ends waits for the upgrade's end, and judges it.
func (r *trial) ends() {
	r.t.Helper()
	r.platform.AwaitStatus("p", r.device, ota.DeviceUpgraded)
	assert.True(r.t, bytes.Equal(r.read("app.bin"), r.after), "the new version is live")
	assert.Empty(r.t, r.platform.Faults("p"))
}

func (r *trial) read(name string) []byte {
	r.t.Helper()
	content, err := os.ReadFile(filepath.Join(r.mount, name))
	require.NoError(r.t, err)
	return content
}

func sh(t testing.TB, program string, args ...string) {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(t, err, "%s %q: %s", program, args, out)
}
