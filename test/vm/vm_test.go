//go:build vm

// Package vm_test boots devices for real: emulated machines with a kernel of
// Debian's, two slots, a boot loader that counts tries, and ota-agent as their
// service. On one of them the boot loader is an initramfs with a flag file, on
// the other one Debian's GRUB; both obey the lines of docs/OPERATOR.md.
//
// One flow through it: TestMain builds the programs; the test makes the disks of
// a machine and the image of a first version, starts the emulator and a
// platform, and offers one version after the other. Meanwhile it kills the
// emulator at random moments, which is a power cut: what the machine had in its
// memory is gone, what it had written to its disks is there. After each upgrade
// it starts the machine once more and holds what runs against what the platform
// has received, and the slot's bytes against the image.
//
// VM_KILLS is how many kills each machine gets, VM_SEED draws their moments. It
// needs qemu-system-x86_64, a static busybox, mke2fs, sfdisk, GRUB's tools, and
// a kernel with its modules below VM_KERNEL; make test-vm sees to that. Nothing
// needs root.
package vm_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

var programs harness.Programs

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "ota-vm-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	err = os.Setenv("CGO_ENABLED", "0") // static programs: the machine has no libraries
	if err == nil {
		programs, err = harness.Build(dir, "1.0.0")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

const (
	usualKills    = 15 // of each machine
	killsAtMost   = 5  // in one upgrade
	shortForm     = 10 // with fewer kills, but some, only the first defect is tried
	poll          = 10 * time.Millisecond
	upgradeLimit  = 10 * time.Minute
	versionFormat = "1.%d.0"
)

func TestUpgradesOfAMachine(t *testing.T) {
	kills, seed := setting(t, "VM_KILLS", usualKills), uint64(setting(t, "VM_SEED", int(time.Now().Unix())))
	t.Logf("VM_KILLS=%d VM_SEED=%d", kills, seed)
	for _, boot := range []func(*testing.T) bootLoader{flagFile, grub} {
		b := boot(t)
		t.Run(b.name, func(t *testing.T) {
			began := time.Now()
			l := newLab(t, b)
			l.machine.start()
			if b.name == "grub" {
				l.grub = l.machine.runOfGRUB()
				l.Logf("GRUB takes %.1fs", l.grub.Seconds())
			}
			l.usual = l.upgrade(l.next(""), nil)
			l.cutPower(kills, rand.New(rand.NewPCG(seed, 0)))
			tried := defects
			if 0 < kills && kills < shortForm {
				tried = defects[:1]
			}
			for _, d := range tried {
				l.upgrade(l.next(d.name), nil)
			}
			t.Logf("%d upgrades, %d of them to broken images; %d kills, by the last report before: %v; %d starts; %.0fs",
				l.number, len(tried), l.kills, l.hits, l.machine.starts, time.Since(began).Seconds())
		})
	}
}

// cutPower upgrades to good images until there were as many kills.
func (l *lab) cutPower(kills int, random *rand.Rand) {
	for left := kills; left > 0; left = kills - l.kills {
		moments := make([]moment, min(left, 1+random.IntN(killsAtMost)))
		for i := range moments {
			moments[i] = moment{share: random.Float64(), inGRUB: l.grub > 0 && random.IntN(3) == 0}
		}
		l.upgrade(l.next(""), moments)
	}
}

// moment is when a kill comes: after a share of the usual time of an upgrade, or
// of GRUB's next run.
type moment struct {
	share  float64 // 0 to 1
	inGRUB bool
}

// setting reads a number from the environment.
func setting(t *testing.T, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// lab is a machine with its platform.
type lab struct {
	*testing.T
	key      harness.Key
	device   *harness.Device
	platform *harness.Platform
	machine  *machine

	runs   version       // what the machine is to run
	usual  time.Duration // of an upgrade that nothing disturbs, on this host
	grub   time.Duration // of a run of GRUB; 0 where there is none
	number int           // of the last upgrade
	kills  int
	hits   map[string]int // kills by the last report before them
}

// version is an image that was offered.
type version struct {
	name   string
	defect string // empty for none
	image  []byte
}

func newLab(t *testing.T, boot bootLoader) *lab {
	l := &lab{T: t, key: harness.NewKey(t), hits: make(map[string]int)}
	l.platform = harness.StartPlatform(t, platform.Config{})
	l.device = harness.NewDevice(t, programs, l.platform.BrokerURL(), l.key)
	// The download takes a few seconds, so that kills hit it.
	l.device.Settings["download"] = harness.Settings{"rate_limit": "768KiB/s"}
	l.device.Settings["health"] = []harness.Settings{{"command": []string{"/bin/health"}}}
	l.device.Components(harness.Settings{
		"id":        "rootfs",
		"type":      "module",
		"installer": "slot",
		"slot": harness.Settings{
			"devices":      boot.devices,
			"boot":         boot.name,
			"boot_file":    boot.memory,
			"tries":        tries,
			"version_file": "/etc/version",
		},
	})
	l.device.Configure()
	l.runs = version{name: "1.0.0", image: makeImage(t, boot, "1.0.0", defect{})}
	l.machine = newMachine(t, boot, l.device.Dir, l.runs.image)
	return l
}

// next makes the image of the next version.
func (l *lab) next(name string) version {
	l.number++
	v := version{name: fmt.Sprintf(versionFormat, l.number), defect: name}
	v.image = makeImage(l.T, l.machine.boot, v.name, defectOf(name))
	return v
}

// upgrade offers a version, kills the machine at the given moments, judges the
// end, and says how long it took until then.
func (l *lab) upgrade(v version, moments []moment) time.Duration {
	l.Helper()
	began, plan := time.Now(), fmt.Sprint("plan-", l.number)
	l.platform.Offer(harness.Plan{ID: plan}, harness.Pack(l.T, "rootfs", v.name, int64(l.number), v.image, nil, l.key))
	var cuts []string
	for _, m := range moments {
		waited := time.Now()
		if l.endedBefore(plan, m) {
			break
		}
		when := l.last(plan)
		if l.machine.inGRUB() {
			when += ", GRUB"
		}
		cuts = append(cuts, fmt.Sprintf("%.1fs %s", time.Since(waited).Seconds(), when))
		l.hits[when]++
		l.kills++
		l.machine.kill()
		l.machine.start()
	}
	require.True(l, l.ended(plan, upgradeLimit), "upgrade to %s does not end: %v", v.name, l.platform.Trail(plan, ""))
	took := time.Since(began)
	l.judge(plan, v, len(cuts))
	l.Logf("%s %-26s killed [%s] → %s, runs %s, after %.0fs", v.name, v.what(), strings.Join(cuts, ", "), l.last(plan),
		l.runs.name, took.Seconds())
	return took
}

// endedBefore waits for a moment, from the offer or the last start on, unless
// the plan ends before.
func (l *lab) endedBefore(plan string, m moment) bool {
	if !m.inGRUB {
		return l.ended(plan, time.Duration(m.share*float64(l.usual)))
	}
	for runs := l.machine.runsOfGRUB(); l.machine.runsOfGRUB() == runs; {
		if l.ended(plan, poll) {
			return true
		}
	}
	return l.ended(plan, time.Duration(m.share*float64(l.grub)))
}

func (v version) what() string {
	if v.defect == "" {
		return "good image"
	}
	return "image that " + v.defect
}

// ended waits until the plan is at its end on the device, or the time is over.
func (l *lab) ended(plan string, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(poll) {
		switch l.platform.Status(plan, l.device) {
		case ota.DeviceUpgraded, ota.DeviceUpgradeFailed:
			return true
		}
	}
	return false
}

// last is the last report on a plan.
func (l *lab) last(plan string) string {
	trail := l.platform.Trail(plan, "rootfs")
	if len(trail) == 0 {
		return "nothing reported"
	}
	return trail[len(trail)-1]
}

// judge holds the report against what the machine runs after another start.
func (l *lab) judge(plan string, v version, cuts int) {
	l.Helper()
	switch last := l.last(plan); {
	case last == ota.UpgradeSucceeded.String():
		require.Empty(l, v.defect, "an image that %s was reported to run", v.defect)
		l.runs = v
	case v.defect != "":
		require.Equal(l, "upgrade_failed: "+string(defectOf(v.defect).code), last)
	default:
		// Kills may use up the starts of a trial, as any power cut does.
		require.Equal(l, "upgrade_failed: boot_failed", last)
		require.GreaterOrEqual(l, cuts, tries, "a good image failed without a reason")
	}
	assert.Empty(l, l.platform.Faults(plan))
	l.machine.kill()
	l.machine.start()
	slot := l.machine.awaitInit(l.runs.name)
	l.machine.awaitOutput("connected")
	require.True(l, slot.holds(l.T, l.runs.image), "the slot at %v does not hold the image of %s", slot, l.runs.name)
}
