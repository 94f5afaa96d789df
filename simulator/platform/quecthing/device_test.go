package quecthing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform/engine"
)

// says is a frame of the device.
func (f *fixture) says(c codec.Command, items ...codec.Item) {
	f.id = codec.NextID(f.id)
	f.takes(codec.Frame{ID: f.id, Command: c, Payload: codec.Items(items).Encode()})
}

// runs is the description that the device begins a connection with.
func (f *fixture) runs(module, versions string) {
	f.says(codec.DeviceInfo, codec.Text(codec.InfoVersion, module), codec.Text(codec.InfoVersions, versions))
}

// asks is its version report.
func (f *fixture) asks(module, versions string) {
	f.says(codec.UpgradeAsk, codec.Text(codec.ModuleVersion, module), codec.Text(codec.ModuleVersions, versions))
}

// stm32 says how far STM32 is.
func (f *fixture) stm32(s codec.Status, more ...codec.Item) {
	f.says(codec.UpgradeStatus, append([]codec.Item{
		codec.Int(codec.StatusCode, int64(s)), codec.Text(codec.Component, "STM32"),
		codec.Int(codec.ComponentType, codec.MCUType),
	}, more...)...)
}

// sends takes the commands of the frames that the device was sent.
func (f *fixture) sends() (all []codec.Command) {
	for _, frame := range f.sent {
		all = append(all, frame.Command)
	}
	f.sent = nil
	return all
}

// confirmed is a device that has confirmed, and was sent the address.
func confirmed(t *testing.T, retries int) (f *fixture, plan string) {
	f = newFixture(t)
	f.connects()
	f.runs("V1.0.0", "STM32:1_0_0")
	plan = f.plan(engine.PlanSpec{Retries: retries}, "mcu STM32 2_0_0")
	require.Equal(t, []codec.Command{codec.UpgradePlan}, f.sends())
	f.stm32(codec.Received)
	f.stm32(codec.Confirmed)
	require.Equal(t, []codec.Command{codec.UpgradeFile}, f.sends())
	return f, plan
}

// failures counts those that the ledger has.
func (f *fixture) failures() (n int) {
	for _, step := range f.trail {
		if strings.Contains(step, "_failed ") {
			n++
		}
	}
	return n
}

func (f *fixture) status(plan string) ota.DeviceStatus { return f.view(plan).Status }

func TestFailureThatComesTwice(t *testing.T) {
	f, plan := confirmed(t, 5)
	f.stm32(codec.Ready)
	f.pass(5 * time.Second)
	f.stm32(codec.DownloadFailed)
	f.pass(5 * time.Second)
	f.stm32(codec.DownloadFailed)
	assert.Empty(t, f.sends(), "the device may still be at the last one")
	assert.Equal(t, 1, f.failures())
	f.pass(time.Second)
	assert.Equal(t, []codec.Command{codec.UpgradeFile}, f.sends(), "eleven seconds after the first")
	f.stm32(codec.Ready)
	f.stm32(codec.Failed)
	f.stm32(codec.DownloadFailed) // its connection was closed
	f.pass(6 * time.Second)
	assert.Empty(t, f.sends())
	f.pass(5 * time.Second)
	assert.Equal(t, []codec.Command{codec.UpgradeFile}, f.sends())
	assert.Equal(t, 2, f.failures())
	f.stm32(codec.Succeeded, codec.Text(codec.ModuleVersion, "V1.0.0"), codec.Text(codec.ModuleVersions, "STM32:2_0_0"))
	f.stm32(codec.DownloadFailed)
	assert.Equal(t, ota.DeviceUpgraded, f.status(plan))
	assert.Empty(t, f.faults)
}

// TestRetriesEnd: the platform tries as often as the plan says.
func TestRetriesEnd(t *testing.T) {
	f, plan := confirmed(t, 1)
	for range 2 {
		f.stm32(codec.Ready)
		f.stm32(codec.DownloadFailed)
		f.pass(11 * time.Second)
	}
	assert.Equal(t, ota.DeviceUpgradeFailed, f.status(plan))
	f.stm32(codec.Downloading)
	f.stm32(codec.DownloadFailed)
	assert.Equal(t, ota.DeviceUpgradeFailed, f.status(plan), "it strays")
	assert.Empty(t, f.faults)
}

// TestLostStatuses: any later status makes up for those that were lost.
func TestLostStatuses(t *testing.T) {
	for _, said := range [][]codec.Status{
		{codec.Downloaded}, {codec.Downloading, codec.Succeeded}, {codec.Succeeded}, {codec.Upgrading, codec.Succeeded},
		{codec.Ready, codec.Downloading, codec.Downloaded, codec.Ready, codec.Downloading, codec.Downloaded, codec.Succeeded},
	} {
		f, plan := confirmed(t, 5)
		for _, s := range said {
			if s == codec.Succeeded {
				f.stm32(s, codec.Text(codec.ModuleVersion, "V1.0.0"), codec.Text(codec.ModuleVersions, "STM32:2_0_0"))
				assert.Equal(t, ota.DeviceUpgraded, f.status(plan))
			} else {
				f.stm32(s)
			}
		}
		assert.NotEqual(t, ota.DeviceNotUpgraded, f.status(plan))
		assert.Empty(t, f.faults)
	}
}

func TestRepeatedFrames(t *testing.T) {
	f, _ := confirmed(t, 5)
	f.stm32(codec.Ready)
	f.pass(12 * time.Second)
	f.stm32(codec.DownloadFailed)
	f.pass(time.Minute)
	f.id--
	f.stm32(codec.DownloadFailed)
	assert.Equal(t, 1, f.failures())
	f.stm32(codec.DownloadFailed)
	assert.Equal(t, 2, f.failures(), "the same words are news in another frame")
}

// TestVersionReportWins over what the device says of its upgrade.
func TestVersionReportWins(t *testing.T) {
	target := []codec.Item{codec.Text(codec.ModuleVersion, "V1.0.0"), codec.Text(codec.ModuleVersions, "STM32:2_0_0")}
	source := []codec.Item{codec.Text(codec.ModuleVersion, "V1.0.0"), codec.Text(codec.ModuleVersions, "STM32:1_0_0")}
	t.Run("it has failed, and runs the target", func(t *testing.T) {
		f, plan := confirmed(t, 0)
		f.stm32(codec.Failed, target...)
		assert.Equal(t, ota.DeviceUpgraded, f.status(plan))
	})
	t.Run("it has succeeded, and does not", func(t *testing.T) {
		f, plan := confirmed(t, 0)
		f.stm32(codec.Succeeded, source...)
		assert.Equal(t, ota.DeviceUpgradeFailed, f.status(plan))
		assert.Contains(t, f.trail, "STM32 upgrade_failed verify_failed")
	})
	t.Run("it has failed to download, and runs the target after a restart", func(t *testing.T) {
		f, plan := confirmed(t, 0)
		f.leaves()
		f.connects()
		f.runs("V1.0.0", "STM32:2_0_0")
		assert.Equal(t, ota.DeviceUpgrading, f.status(plan))
		f.stm32(codec.DownloadFailed)
		assert.Equal(t, ota.DeviceUpgraded, f.status(plan))
	})
	t.Run("the status was lost", func(t *testing.T) {
		f, plan := confirmed(t, 0)
		f.stm32(codec.Upgrading)
		f.leaves()
		f.connects()
		f.runs("V1.0.0", "STM32:2_0_0")
		f.pass(9 * time.Minute)
		assert.Equal(t, ota.DeviceUpgrading, f.status(plan), "it may be on trial")
		f.pass(time.Minute)
		assert.Equal(t, ota.DeviceUpgraded, f.status(plan))
	})
	t.Run("it asks for the next plan", func(t *testing.T) {
		f, plan := confirmed(t, 0)
		f.stm32(codec.Upgrading)
		f.asks("V1.0.0", "STM32:2_0_0")
		assert.Equal(t, ota.DeviceUpgraded, f.status(plan))
	})
	t.Run("the trial fails", func(t *testing.T) {
		f, plan := confirmed(t, 0)
		f.stm32(codec.Upgrading)
		f.leaves()
		f.connects()
		f.runs("V1.0.0", "STM32:2_0_0")
		f.stm32(codec.Failed, source...)
		assert.Equal(t, ota.DeviceUpgradeFailed, f.status(plan))
	})
}

// TestDevicesThatStay: a device that stays where it is for ever does not hold the
// platform up.
func TestDevicesThatStay(t *testing.T) {
	for _, c := range []struct {
		said  []codec.Status
		after time.Duration
		want  string
	}{
		{nil, 2 * time.Minute, "STM32 upgrade_failed component_silent"},
		{[]codec.Status{codec.Received}, 2 * time.Minute, "STM32 upgrade_failed component_silent"},
		{[]codec.Status{codec.Ready}, 2 * time.Minute, "STM32 download_failed component_silent"},
		{[]codec.Status{codec.Ready, codec.Downloading}, time.Hour, "STM32 download_failed component_silent"},
		{[]codec.Status{codec.Downloaded}, time.Hour, "STM32 upgrade_failed component_silent"},
		{[]codec.Status{codec.Upgrading}, time.Hour, "STM32 upgrade_failed component_silent"},
	} {
		f, plan := confirmed(t, 0)
		for _, s := range c.said {
			f.stm32(s)
		}
		for range c.after/(5*time.Second) - 1 {
			f.pass(5 * time.Second)
			if n := len(c.said); n > 0 {
				f.stm32(c.said[n-1]) // again and again
			}
		}
		require.Equal(t, ota.DeviceUpgrading, f.status(plan), c.want)
		f.pass(5 * time.Second)
		assert.Equal(t, ota.DeviceUpgradeFailed, f.status(plan), c.want)
		assert.Contains(t, f.trail, c.want)
		assert.Empty(t, f.faults)
	}
}

// TestDeviceThatDoesNotAnswer is busy, for the platform.
func TestDeviceThatDoesNotAnswer(t *testing.T) {
	f := newFixture(t)
	f.connects()
	f.runs("V1.0.0", "STM32:1_0_0")
	f.plan(engine.PlanSpec{}, "mcu STM32 2_0_0")
	f.stm32(codec.Received)
	f.pass(24*time.Hour - time.Second)
	assert.Empty(t, f.decided)
	f.pass(time.Second)
	require.Len(t, f.decided, 1)
	assert.Equal(t, ota.ReasonBusy, f.decided[0].Reason)
}

func TestRefusal(t *testing.T) {
	f := newFixture(t)
	f.connects()
	f.runs("V1.0.0", "STM32:1_0_0")
	f.plan(engine.PlanSpec{}, "mcu STM32 2_0_0")
	f.stm32(codec.Received)
	f.stm32(codec.Refused)
	require.Len(t, f.decided, 1)
	assert.Equal(t, ota.ReasonDeclined, f.decided[0].Reason)
	f.sends()
	f.asks("V1.0.0", "STM32:1_0_0")
	assert.Equal(t, []codec.Command{codec.UpgradePlan}, f.sends(), "it has asked")
}

// TestSeveralComponents: one frame for the plan, an address after the other, and what
// runs its target already is left out.
func TestSeveralComponents(t *testing.T) {
	f := newFixture(t)
	f.connects()
	f.runs("V1.0.0", "STM32:1_0_0;ESP:7;LED:3")
	plan := f.plan(engine.PlanSpec{}, "module MOD V2.0.0", "mcu STM32 2_0_0", "mcu ESP 8", "mcu LED 3")
	require.Len(t, f.sent, 1)
	items, err := codec.DecodeItems(f.sent[0].Payload)
	require.NoError(t, err)
	all, _ := items.List(codec.Components)
	require.Len(t, all, 3)
	assert.Equal(t, "MOD", all[0].Text(codec.Component))
	f.sends()
	esp := []codec.Item{codec.Text(codec.Component, "ESP"), codec.Int(codec.ComponentType, codec.MCUType)}
	for _, s := range []codec.Status{codec.Received, codec.Confirmed} { // it names the last one
		f.says(codec.UpgradeStatus, append([]codec.Item{codec.Int(codec.StatusCode, int64(s))}, esp...)...)
	}
	for _, c := range []struct {
		component        string
		kind             int64
		module, versions string
	}{
		{"MOD", codec.ModuleType, "V2.0.0", "STM32:1_0_0;ESP:7;LED:3"},
		{"STM32", codec.MCUType, "V2.0.0", "ESP:7;LED:3;STM32:2_0_0"},
		{"ESP", codec.MCUType, "V2.0.0", "LED:3;STM32:2_0_0;ESP:8"},
	} {
		require.Len(t, f.sent, 1, c.component)
		items, err := codec.DecodeItems(f.sent[0].Payload)
		require.NoError(t, err)
		require.Equal(t, c.component, items.Text(codec.Component))
		f.sends()
		f.says(codec.UpgradeStatus, codec.Int(codec.StatusCode, int64(codec.Succeeded)),
			codec.Text(codec.Component, c.component), codec.Int(codec.ComponentType, c.kind),
			codec.Text(codec.ModuleVersion, c.module), codec.Text(codec.ModuleVersions, c.versions))
	}
	assert.Equal(t, ota.DeviceUpgraded, f.status(plan))
	assert.Empty(t, f.faults)
}

// TestFailureOfTheLastName: before the first byte a failure names the last component of
// the plan, and means the one whose address is out.
func TestFailureOfTheLastName(t *testing.T) {
	f := newFixture(t)
	f.connects()
	f.runs("V1.0.0", "STM32:1_0_0;ESP:7")
	plan := f.plan(engine.PlanSpec{}, "mcu ESP 8", "mcu STM32 2_0_0")
	f.stm32(codec.Received)
	f.stm32(codec.Confirmed)
	f.stm32(codec.Failed, codec.Text(codec.ModuleVersion, "V1.0.0"), codec.Text(codec.ModuleVersions, "STM32:1_0_0;ESP:7"))
	assert.Contains(t, f.trail, "ESP upgrade_failed installer_failed")
	assert.Equal(t, ota.DeviceUpgradeFailed, f.status(plan))
}

// TestPlanWithoutWords: a plan that the wire cannot say is refused in the device's
// name, and its page says why.
func TestPlanWithoutWords(t *testing.T) {
	f := newFixture(t)
	f.connects()
	f.runs("V1.0.0", "STM32:1_0_0;ESP:7")
	f.plan(engine.PlanSpec{OnFailure: ota.Revert}, "mcu ESP 8", "mcu STM32 2_0_0")
	assert.Empty(t, f.sends())
	require.Len(t, f.decided, 1)
	assert.Equal(t, ota.ReasonInvalidPlan, f.decided[0].Reason)
}

// TestTermination: the wire has no word for it, so the platform ends it alone.
func TestTermination(t *testing.T) {
	f := newFixture(t)
	f.connects()
	f.runs("V1.0.0", "STM32:1_0_0")
	plan := f.plan(engine.PlanSpec{}, "mcu STM32 2_0_0")
	f.stm32(codec.Received)
	f.sends()
	f.order(engine.Terminate{Plan: plan})
	assert.Equal(t, ota.DeviceUpgradeFailed, f.status(plan))
	f.stm32(codec.Confirmed)
	assert.Empty(t, f.sends(), "the device gives up after half a minute")
	f.stm32(codec.Failed)
	assert.Empty(t, f.faults)
}

// TestForgetfulPlatform: a platform that is started again goes on with a device.
func TestForgetfulPlatform(t *testing.T) {
	f, plan := confirmed(t, 5)
	f.stm32(codec.Downloading)
	f.leaves()
	again := newFixture(t)
	f.device, f.id = again.device, 0
	f.connects()
	f.runs("V1.0.0", "STM32:1_0_0")
	assert.Empty(t, f.sends())
	f.stm32(codec.DownloadFailed)
	f.pass(6 * time.Second)
	assert.Equal(t, []codec.Command{codec.UpgradeFile}, f.sends())
	f.stm32(codec.Succeeded)
	assert.Equal(t, ota.DeviceUpgrading, f.status(plan), "its last version report says something else")
}

// TestSuffix: a device's description may have more behind its module's version than its
// version reports.
func TestSuffix(t *testing.T) {
	f := newFixture(t)
	f.plan(engine.PlanSpec{}, "module MOD V2.0.0")
	f.connects()
	f.runs("V1.0.0_APP3", "")
	f.asks("V1.0.0", "")
	running := func() string {
		v, _ := f.engine.Versions(ota.Identity{Product: product, Device: key})
		return v[0].Version
	}
	assert.Equal(t, "V1.0.0", running())
	f.leaves()
	f.connects()
	f.runs("V1.1.0_APP3", "")
	assert.Equal(t, "V1.1.0", running())
}

// TestNewPackages: the module is known by the names of its packages, also of those that
// come later.
func TestNewPackages(t *testing.T) {
	f := newFixture(t)
	f.connects()
	f.runs("V1.0.0", "")
	f.plan(engine.PlanSpec{}, "module MOD V2.0.0")
	assert.Equal(t, []codec.Command{codec.UpgradePlan}, f.sends())
}
