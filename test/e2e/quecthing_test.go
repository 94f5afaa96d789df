package e2e_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/quecthing"
	"otafleet/test/harness"
)

// newQuecThing is newSetting with a device that speaks as Quectel's SDK does.
func newQuecThing(t *testing.T, more harness.Settings) *setting {
	t.Helper()
	s := newSetting(t)
	s.device.SpeakQuecThing(s.platform.QuecThing(quecthing.Config{
		Products: map[string]string{harness.Product: harness.QuecThingSecret}}).URL(), more)
	return s
}

// TestQuecThingUpgrade: first contact, two upgrades, and a login with the secret that
// the first one has brought.
func TestQuecThingUpgrade(t *testing.T) {
	t.Parallel()
	s := newQuecThing(t, nil)
	agent := s.device.Start()
	s.upgrades("p", "1.1.0", 1)
	secret := s.device.Path("state/quecthing-" + harness.DeviceName + ".secret")
	info, err := os.Stat(secret)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	agent.Stop()
	s.device.Start()
	s.upgrades("q", "1.2.0", 2)
}

func TestQuecThingEncrypted(t *testing.T) {
	t.Parallel()
	s := newQuecThing(t, harness.Settings{"session_key": true})
	s.device.Start()
	s.upgrades("p", "1.1.0", 1)
}

func TestQuecThingModuleAndMCU(t *testing.T) {
	t.Parallel()
	s := newQuecThing(t, nil)
	s.device.Components(harness.FileComponent("app", "1.0.0", nil), s.addHandler("motor"))
	s.device.Start()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgraded, s.packMCU("motor", "1.1.0", 1), s.pack("1.1.0", 1, "new"))
	assert.Equal(t, "new", string(s.device.Read("app.bin")))
	assert.Equal(t, "1.1.0\n", string(s.device.Read("motor/version")))
}

func TestQuecThingRefusal(t *testing.T) {
	t.Parallel()
	s := newQuecThing(t, nil)
	s.device.Settings["confirm"] = "ask"
	s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	s.awaitQuestion()
	require.Equal(t, 0, s.device.Do("refuse", "--reason", "the line is running").Code)
	assert.False(t, s.platform.AwaitDecision("p").Accept)
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
}

// A device that is killed in the middle of its download goes on where it was.
func TestQuecThingKilled(t *testing.T) {
	t.Parallel()
	s := newQuecThing(t, nil)
	s.device.Settings["download"].(harness.Settings)["rate_limit"] = "256KiB/s"
	agent := s.device.Start()
	image := string(harness.Image(1, 2<<20))
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, image))
	harness.Await(t, "the download", func() bool { return len(s.platform.Trail("p", "app")) == 4 })
	agent.Kill()
	delete(s.device.Settings["download"].(harness.Settings), "rate_limit")
	s.device.Start()
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"))
	assert.Equal(t, image, string(s.device.Read("app.bin")))
}

// A version that is not healthy is rolled back, and the platform hears which one runs.
func TestQuecThingRollback(t *testing.T) {
	t.Parallel()
	s := newQuecThing(t, nil)
	s.device.Settings["health"] = []harness.Settings{
		{"command": []string{"sh", "-c", "! grep -q broken " + s.device.Path("app.bin")}},
	}
	s.device.Start()
	s.upgrade(harness.Plan{ID: "bad"}, ota.DeviceUpgradeFailed, s.pack("1.1.0", 1, "broken"))
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
	last := s.platform.Reports("bad")
	assert.Equal(t, "1.0.0", last[len(last)-1].Version)
	s.upgrades("good", "1.2.0", 2)
}

// A device that is killed again and again, in whatever it does, ends with the version
// that it has said it runs.
func TestQuecThingKilledAnywhere(t *testing.T) {
	t.Parallel()
	s := newQuecThing(t, nil)
	s.device.Components(harness.FileComponent("app", "1.0.0", nil), s.addHandler("motor"))
	s.device.Settings["download"].(harness.Settings)["rate_limit"] = "1MiB/s"
	image := string(harness.Image(1, 1<<20))
	agent := s.device.Start()
	// The wire's word for an address that was lost is that the download has failed.
	plan := harness.Plan{ID: "p", Retries: ota.MaxRetries}
	s.platform.Offer(plan, s.packMCU("motor", "1.1.0", 1), s.pack("1.1.0", 1, image))
	for i := range 12 {
		time.Sleep(time.Duration(40+i*37) * time.Millisecond)
		agent.Kill()
		agent = s.device.Start()
	}
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.Equal(t, image, string(s.device.Read("app.bin")))
	assert.Equal(t, "1.1.0\n", string(s.device.Read("motor/version")))
}
