package e2e_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/hawkbit"
	"otafleet/test/harness"
)

// quickly has devices poll every second.
func quickly() hawkbit.Config {
	return hawkbit.Config{
		Sleep:       time.Second,
		Credentials: func(_, token string) bool { return token == harness.HawkBitToken },
	}
}

// newHawkBit is newSetting with a device that speaks hawkBit's API.
func newHawkBit(t *testing.T) *setting {
	t.Helper()
	s := newSetting(t)
	s.device.SpeakHawkBit(s.platform.HawkBit("", quickly()).URL(), nil)
	return s
}

func TestHawkBitUpgrade(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Start()
	s.upgrades("p", "1.1.0", 1)
	s.upgrades("q", "1.2.0", 2)
}

func TestHawkBitModulesInOrder(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Components(harness.FileComponent("app", "1.0.0", nil), s.addHandler("motor"))
	s.device.Start()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgraded, s.packMCU("motor", "1.1.0", 1), s.pack("1.1.0", 1, "new"))
	assert.Equal(t, succeeded, s.platform.Trail("p", "motor"))
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"))
	assert.Equal(t, "new", string(s.device.Read("app.bin")))
	var last string
	for _, r := range s.platform.Reports("p") {
		if r.Status == ota.Upgrading {
			last = r.Component
		}
	}
	assert.Equal(t, "app", last, "the plan's order is kept")
}

func TestHawkBitUnhealthyVersionIsRolledBack(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Settings["health"] = []harness.Settings{
		{"command": []string{"sh", "-c", "! grep -q broken " + s.device.Path("app.bin")}},
	}
	s.device.Start()
	s.upgrade(harness.Plan{ID: "bad"}, ota.DeviceUpgradeFailed, s.pack("1.1.0", 1, "broken"))
	assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: health_check_failed"),
		s.platform.Trail("bad", "app"))
	last := s.platform.Reports("bad")
	assert.Equal(t, "1.0.0", last[len(last)-1].Version)
	assert.NotEmpty(t, last[len(last)-1].Failure.Detail)
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
	s.upgrades("good", "1.2.0", 2)
}

// A failed attempt is tried again, as another action.
func TestHawkBitRetries(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Components(s.addHandler("motor"))
	s.does("motor", "once-stage")
	s.device.Start()
	s.upgrade(harness.Plan{ID: "p", Retries: 1}, ota.DeviceUpgraded, s.packMCU("motor", "1.1.0", 1))
	reports := s.platform.Reports("p")
	assert.Equal(t, 2, reports[len(reports)-1].Attempt)
	assert.Empty(t, s.platform.Faults("p"))
}

// A plan that is terminated before the device has accepted it ends there, too.
func TestHawkBitCancelBeforehand(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	window, _ := closedWindow()
	s.device.Settings["windows"] = []string{window}
	agent := s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	assert.Equal(t, ota.ReasonWindow, s.platform.AwaitDecision("p").Reason)
	require.NoError(t, s.platform.Command(engine.Terminate{Plan: "p"}))
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgradeFailed)
	assert.Equal(t, []string{"plan_received", "upgrade_failed: plan_terminated"}, s.platform.Trail("p", "app"))
	agent.Stop()
	delete(s.device.Settings, "windows")
	s.device.Start()
	s.upgrades("q", "1.2.0", 2)
}

// An action that is cancelled during its download ends; the device runs what it ran.
func TestHawkBitCancelDuringTheDownload(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Settings["download"].(harness.Settings)["rate_limit"] = "64KiB/s"
	agent := s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, string(harness.Image(1, 8<<20))))
	harness.Await(t, "the download", func() bool { return len(s.platform.Trail("p", "app")) == 4 })
	require.NoError(t, s.platform.Command(engine.Abandon{Plan: "p", Device: harness.DeviceName}))
	s.awaitTrail("p", "app", trail("download_failed: plan_terminated"))
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
	agent.Stop()
	delete(s.device.Settings["download"].(harness.Settings), "rate_limit")
	s.device.Start()
	s.upgrades("q", "1.2.0", 2)
}

// Nothing stops a component that is being switched.
func TestHawkBitCancelDuringTheSwitch(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Components(s.addHandler("motor"))
	s.does("motor", "hold-activate")
	s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.packMCU("motor", "1.1.0", 1))
	harness.Await(t, "the switch", func() bool { return len(s.platform.Trail("p", "motor")) == 6 })
	require.NoError(t, s.platform.Command(engine.Abandon{Plan: "p", Device: harness.DeviceName}))
	time.Sleep(3 * time.Second) // the device polls, and refuses
	require.NoError(t, os.Remove(s.device.Path("motor/hold-activate")))
	s.awaitTrail("p", "motor", succeeded)
	assert.Equal(t, "1.1.0\n", string(s.device.Read("motor/version")))
}

func TestHawkBitRefusal(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Settings["confirm"] = "ask"
	s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	s.awaitQuestion()
	require.Equal(t, 0, s.device.Do("refuse", "--reason", "the line is running").Code)
	decision := s.platform.AwaitDecision("p")
	assert.Equal(t, ota.ReasonDeclined, decision.Reason)
	assert.Equal(t, "the line is running", decision.Detail)
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgradeFailed)
	assert.Equal(t, "old", string(s.device.Read("app.bin")))

	require.NoError(t, s.platform.Command(engine.RetryDevices{Plan: "p"}))
	s.awaitQuestion()
	require.Equal(t, 0, s.device.Do("confirm").Code)
	harness.Await(t, "the upgrade", func() bool { return s.platform.Status("p", s.device) == ota.DeviceUpgraded })
}

// A manual plan waits for the device's user: at the device, who says so.
func TestHawkBitManualPlan(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Start()
	pkg := s.pack("1.1.0", 1, "new")
	s.platform.Upload(pkg)
	require.NoError(t, s.platform.Command(engine.CreatePlan{Plan: engine.PlanSpec{
		ID: "p", Name: "p", Product: harness.Product, Zone: time.UTC, Start: time.Now().Add(-time.Minute),
		End:        time.Now().Add(time.Hour),
		Mode:       ota.Manual,
		Components: []engine.ComponentSpec{{ID: "app", Type: ota.Module, Package: ota.Full, Target: "1.1.0"}},
	}}))
	require.NoError(t, s.platform.Command(engine.Activate{Plan: "p"}))
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"))
	assert.Empty(t, s.platform.Faults("p"))
}

func TestHawkBitGateway(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	config := quickly()
	config.Credentials, config.GatewayToken = nil, harness.HawkBitToken
	url := s.platform.HawkBit("", config).URL()
	s.device.SpeakHawkBit(url, harness.Settings{"token_file": nil, "gateway_token_file": "token"})
	s.device.Write("bus", bus, 0o755)
	firmware := harness.CommandComponent("fw", "bus")
	firmware["type"] = "module"
	s.device.Settings["sub_devices"] = []harness.Settings{{
		"devices": []string{"meter-1", "meter-2"}, "product": "meter", "components": []harness.Settings{firmware}}}
	for _, key := range []string{"meter-1", "meter-2"} {
		s.addHandler(key)
	}
	s.device.Start()
	s.upgrades("p", "1.1.0", 1)
	s.platform.Offer(harness.Plan{ID: "meters"}, harness.Pack(t, "fw", "1.1.0", 1, []byte("meter 1.1.0"),
		func(m *ota.Manifest) { m.Product = "meter" }, s.key))
	s.platform.AwaitDevice("meters", "meter-1", ota.DeviceUpgraded)
	s.platform.AwaitDevice("meters", "meter-2", ota.DeviceUpgraded)
	assert.Equal(t, "1.1.0\n", string(s.device.Read("meter-1/version")))
}

// An agent that is killed at any moment ends its upgrade all the same, or its failure,
// and hawkBit believes what the device runs.
func TestHawkBitKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	killUnderHawkBit(t, newHawkBit(t), 50)
}

// The same without signed manifests.
func TestHawkBitsWordKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	s, _ := onHawkBitsWord(t, harness.Settings{})
	killUnderHawkBit(t, s, 20)
}

// killUnderHawkBit upgrades a device again and again, until its agent has been killed
// so many times.
func killUnderHawkBit(t *testing.T, s *setting, kills int) {
	s.device.Components(harness.FileComponent("app", "1.0.0", nil), s.addHandler("motor"))
	s.device.Settings["download"].(harness.Settings)["rate_limit"] = "8MiB/s"
	s.does("motor", "slow")
	random := killMoments(t, 7)
	agent := s.device.Start()
	version, image := "1.0.0", "old"
	for n := 1; kills > 0 && !t.Failed(); n++ {
		plan, target := fmt.Sprint("p-", n), fmt.Sprint("1.0.", n)
		next, end := string(harness.Image(uint64(n), imageSize)), ota.DeviceUpgraded
		if n%4 == 0 {
			s.does("motor", "fail-activate")
			end = ota.DeviceUpgradeFailed
		}
		s.platform.Offer(harness.Plan{ID: plan}, s.packMCU("motor", target, int64(n)), s.pack(target, int64(n), next))
		for k := 0; k < 8 && s.platform.Status(plan, s.device) != end; k++ {
			time.Sleep(time.Duration(5+random.IntN(400)) * time.Millisecond)
			agent.Kill()
			kills--
			agent = s.device.Start()
		}
		s.platform.AwaitStatus(plan, s.device, end)
		if end == ota.DeviceUpgraded {
			version, image = target, next
			s.awaitTrail(plan, "app", succeeded)
			assert.Equal(t, succeeded, s.platform.Trail(plan, "motor"))
		} else {
			require.NoError(t, os.Remove(s.device.Path("motor/fail-activate")))
		}
		assert.Empty(t, s.platform.Faults(plan))
		assert.Equal(t, version+"\n", string(s.device.Read("motor/version")))
		assert.True(t, image == string(s.device.Read("app.bin")))
	}
}

// A platform that is killed in the middle of an upgrade, and started again, shows the
// same action: the device goes on, and the platform learns of its end.
func TestHawkBitPlatformStartedAgain(t *testing.T) {
	t.Parallel()
	s := &setting{t: t, key: harness.NewKey(t)}
	address := harness.FreeAddress(t)
	s.device = harness.NewDevice(t, programs, "", s.key)
	s.device.SpeakHawkBit("http://"+address, nil)
	s.device.Settings["download"].(harness.Settings)["rate_limit"] = "512KiB/s"
	s.device.Components(harness.FileComponent("app", "1.0.0", nil))
	s.device.Write("app.bin", []byte("old"), 0o755)
	s.device.Write("devices", []byte(harness.DeviceName+":"+harness.HawkBitToken+"\n"), 0o600)
	image := string(harness.Image(1, imageSize))
	path := s.bundleFile("app.ota", "1.1.0", 1, image, nil, s.key)
	serve := func() *harness.Process {
		p := harness.Start(t, s.device.Dir, programs.Sim, "platform", "--dialect", "hawkbit", "--hawkbit-listen", address,
			"--hawkbit-sleep", "1s", "--credentials", "devices", "--store-listen", "127.0.0.1:0", "--page", "", "--state",
			"kept", "--upgrade", path, "--until-done", "1")
		p.AwaitOutput("ready for devices")
		return p
	}
	before := serve()
	before.AwaitOutput("hawkBit http://" + address + "/\n")
	s.device.Start()
	before.AwaitOutput("Downloading")
	before.Kill()
	time.Sleep(time.Second)
	after := serve()
	assert.Equal(t, 0, after.Wait(), "the device is upgraded")
	assert.Contains(t, after.Output(), "Upgrade Succeeded")
	assert.True(t, image == string(s.device.Read("app.bin")))
}
