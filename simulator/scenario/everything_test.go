package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// everything is the document with every key.
func everything(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := parseFile(t, "testdata/good/everything.yaml")
	require.NoError(t, err)
	return s
}

func share(lo, hi scenario.Percent) scenario.After {
	return scenario.After{Share: scenario.Range[scenario.Percent]{Lo: lo, Hi: hi}}
}

func TestEveryKeyOfFleets(t *testing.T) {
	s := everything(t)
	assert.Equal(t, "everything", s.Name)
	assert.Equal(t, "gateways on a bad line get a full image\nand still all end upgraded\n", s.Description)
	assert.Equal(t, uint64(42), s.Seed)
	assert.Equal(t, 10*time.Minute, s.Duration)
	assert.Equal(t, time.Minute, s.Windows)
	assert.Equal(t, 17113, s.Devices())
	probe := []scenario.Installed{installed(ota.ComponentVersion{ID: "probe", Type: ota.MCU, Version: "1"})}
	assert.Equal(t, []scenario.Fleet{{
		Name: "gateways", Count: 5000, Product: "gw-200", Hardware: "rev-b",
		Components: []scenario.Installed{
			{ComponentVersion: ota.ComponentVersion{ID: "rootfs", Type: ota.Module, Version: "1.10"}, Release: 4},
			installed(ota.ComponentVersion{ID: "motor", Type: ota.MCU, Version: "3_0"}),
		},
		Battery: &scenario.Range[int]{Lo: 20, Hi: 100},
		RSSI:    &scenario.Range[int]{Lo: -110, Hi: -60},
		Link:    scenario.Link{Bandwidth: 2 << 20, Latency: 80 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.5},
		Arrive:  scenario.Arrive{Over: time.Minute, After: 10 * time.Second},
		Install: scenario.Install{Time: seconds(5, 20), Restart: firmware.RestartProcess},
	}, {
		Name: "cameras", Count: 10, Product: "cam-1",
		Components: []scenario.Installed{installed(ota.ComponentVersion{ID: "app", Type: ota.Module, Version: "7"})},
		Battery:    &scenario.Range[int]{Lo: 50, Hi: 50},
		Arrive:     scenario.Arrive{Rate: 0.5},
		Install:    scenario.Install{Time: seconds(5, 20)},
	}, {
		Name: "sensors", Count: 12000, Product: "sense", Behind: "gateways", Components: probe,
		Battery: &scenario.Range[int]{Lo: 0, Hi: 100, Shape: scenario.Normal, Centre: 60, Spread: 15},
		Install: s.Fleet("sensors").Install, // distribution_test.go
	}, {
		Name: "meters", Count: 100, Product: "sense", Components: probe,
		Arrive: scenario.Arrive{Stages: []scenario.Stage{
			{Over: 10 * time.Second, Count: 20}, {Over: 30 * time.Second}, {Count: 5}, {Over: time.Minute, Count: 75},
		}},
		Install: s.Fleet("meters").Install,
	}, {
		Name: "herds", Count: 3, Product: "sense", Components: probe,
		Install: scenario.Install{Time: seconds(5, 20)},
	}}, s.Fleets)
}

func TestEveryKeyOfPlans(t *testing.T) {
	probe := func(target string) []scenario.Component {
		return []scenario.Component{{
			PlanComponent: ota.PlanComponent{ID: "probe", Type: ota.MCU, Package: ota.Full, Target: target, Size: 1 << 10},
			Encoding:      ota.Plain, Chunk: 64 << 10,
		}}
	}
	assert.Equal(t, []scenario.Plan{{
		Name: "spring", Product: "gw-200", Push: true,
		Components: []scenario.Component{{
			PlanComponent: ota.PlanComponent{ID: "rootfs", Type: ota.Module, Package: ota.Full, Sources: []string{"1.10", "1.9"},
				Target: "1.11", Size: 10 << 20},
			Encoding: ota.Zstd, Chunk: 4 << 10, Hardware: []string{"rev-a", "rev-b"}, Release: 5,
		}, {
			PlanComponent: ota.PlanComponent{ID: "motor", Type: ota.MCU, Package: ota.Delta, Sources: []string{"3_0"},
				Target: "3_1", Size: 64 << 10},
			Encoding: ota.Plain, Chunk: 64 << 10, AllowDowngrade: true,
		}},
		Mode: ota.Manual, Users: &scenario.Users{Confirm: 90, Cancel: 5, After: seconds(1, 30)},
		Conditions: scenario.Conditions{MinBattery: pointer(30), MinRSSI: pointer(-113)},
		Retries:    2, OnFailure: ota.Revert,
	}, {
		Name: "cameras", Product: "cam-1", Push: true, Rejection: 2 * time.Hour,
		Components: []scenario.Component{{
			PlanComponent: ota.PlanComponent{ID: "app", Type: ota.Module, Package: ota.Full, Target: "8", Size: 1},
			Encoding:      ota.Plain, Chunk: 64 << 10,
		}},
		Mode: ota.Silent, Retries: 5, OnFailure: ota.Stop,
	}, {
		Name: "probes", Product: "sense", Only: []string{"sensors", "meters"}, Except: []string{"sensors"},
		Components: probe("2"),
		Starts:     30 * time.Second, Ends: 5 * time.Minute, Push: true, Window: &scenario.Window{From: 22, To: 6},
		Rejection: 10 * time.Minute,
		Mode:      ota.Silent, Retries: 5, OnFailure: ota.Stop,
	}, {
		Name: "ask", Product: "sense", Components: probe("3"),
		Mode: ota.Silent, Retries: 5, OnFailure: ota.Stop,
	}, {
		Name: "again", Product: "sense", Components: probe("09"), Starts: time.Minute, Push: true, Rejection: 2 * time.Hour,
		Repeat: &scenario.Repeat{Every: 2 * time.Minute, Rounds: 3, Versions: scenario.Count},
		Mode:   ota.Silent, Retries: 5, OnFailure: ota.Stop,
	}}, everything(t).Plans)
}

func TestWhomAPlanIsFor(t *testing.T) {
	s := everything(t)
	var covered []string
	for i := range s.Fleets {
		if s.Plan("probes").Covers(&s.Fleets[i]) {
			covered = append(covered, s.Fleets[i].Name)
		}
	}
	assert.Equal(t, []string{"meters"}, covered)
	assert.True(t, s.Plan("ask").Covers(s.Fleet("herds")))
	assert.Nil(t, s.Plan("autumn"))
	assert.Nil(t, s.Plan("ask").Component("motor"))
}

func TestEveryKeyOfEvents(t *testing.T) {
	assert.Equal(t, []scenario.Event{
		{Do: scenario.SuspendPlan, Plan: "spring", For: 30 * time.Second},
		{At: 30 * time.Second, Do: scenario.KillBroker, For: 10 * time.Second},
		{At: 40 * time.Second, Do: scenario.KillBroker, For: 10 * time.Second},
		{At: time.Minute, Do: scenario.KillStore, For: 5 * time.Second},
		{At: time.Minute, Do: scenario.KillPlatform, For: 5 * time.Second},
		{At: 2 * time.Minute, Do: scenario.Partition, Fleet: "gateways", For: 20 * time.Second},
		{At: 2 * time.Minute, Do: scenario.Partition, Fleet: "cameras", For: time.Minute},
		{At: 3 * time.Minute, Do: scenario.ExpireAddresses},
		{At: 3 * time.Minute, Do: scenario.ReconnectStorm},
		{At: 210 * time.Second, Do: scenario.ReconnectStorm, Fleet: "cameras"},
		{At: 5 * time.Minute, Do: scenario.ResumePlan, Plan: "cameras"},
		{At: 4 * time.Minute, Do: scenario.SuspendPlan, Plan: "cameras"},
		{At: 6 * time.Minute, Do: scenario.RetryPlan, Plan: "cameras"},
		{At: 7 * time.Minute, Do: scenario.TerminatePlan, Plan: "cameras"},
	}, everything(t).Events)
}

func TestFaultsByDefaultAndNot(t *testing.T) {
	s := everything(t)
	once := scenario.Range[int]{Lo: 1, Hi: 1}
	downloading, received := scenario.At(ota.Downloading), scenario.At(ota.PlanReceived)
	assert.Equal(t, []scenario.Fault{
		{Name: "lossy-line", Fleet: "gateways", Component: "rootfs", At: downloading, Kind: scenario.Drop, Chance: 20,
			Times: scenario.Range[int]{Lo: 1, Hi: 3}, After: share(20, 80), For: seconds(5, 10)},
		{Name: "brown-out", At: scenario.At(ota.Upgrading), Kind: scenario.PowerCut, Exactly: 0.5, Times: once,
			After: scenario.After{Delay: seconds(3, 3)}, For: seconds(30, 30)},
		{Name: "overload", At: downloading, Kind: scenario.HTTPStatus, Chance: 1, Times: scenario.Range[int]{Lo: 2, Hi: 2},
			Status: 429},
		{Name: "gone", At: downloading, Kind: scenario.HTTPStatus, Chance: 1, Times: once, Status: 503},
		{Name: "shy", At: received, Kind: scenario.Refuse, Chance: 5, Times: once, For: seconds(1, 2),
			Reason: ota.ReasonBattery},
		{Name: "moody", At: received, Kind: scenario.Refuse, Chance: 5, Times: once, For: seconds(5, 5),
			Reason: ota.ReasonBusy},
	}, s.Faults[:6])
	assert.Equal(t, 5000, s.Reach(&s.Faults[0]))
	assert.Equal(t, 17113, s.Reach(&s.Faults[1]))
	assert.Equal(t, 5113, s.Reach(&s.Faults[6]), "a device behind a gateway has no line of its own")
}

func TestEveryExpectation(t *testing.T) {
	s := everything(t)
	var lines []string
	for _, e := range s.Expect.Devices {
		lines = append(lines, e.String())
	}
	for _, e := range s.Expect.Components {
		lines = append(lines, e.String())
	}
	for _, e := range s.Expect.Platform {
		lines = append(lines, e.String())
	}
	for _, e := range s.Expect.Reports {
		lines = append(lines, e.String())
	}
	for _, e := range s.Expect.Times {
		lines = append(lines, e.String())
	}
	lines = append(lines, "windows.held "+s.Expect.Windows.String())
	for _, e := range s.Expect.Drifts {
		lines = append(lines, e.String())
	}
	for _, e := range s.Expect.FaultsFired {
		lines = append(lines, e.String())
	}
	for _, r := range s.Expect.Rules {
		lines = append(lines, r.Name)
	}
	assert.Equal(t, []string{
		"devices.upgraded >= 99%", "devices.upgrade_failed <= 1%", "devices.no_update_required == 0",
		"devices.not_upgraded == 0",
		"devices.refused == 0", "devices.unfinished == 0", "devices.unreachable == 0", "devices.unaccounted == 0",
		"devices.cameras.upgraded > 8", "devices.cameras.unreachable < 1",
		"components.motor.upgrade_succeeded >= 99%", "components.motor.upgrade_failed <= 10",
		"components.app.no_update_required == 0",
		"platform.upgraded >= 99%", "platform.finished: false", "platform.mistaken == 0",
		"platform.plans.spring.upgrading == 0", "platform.plans.spring.upgraded == 5%",
		"platform.plans.spring.finished: true",
		"reports.lost == 0", "reports.out_of_order == 0", "reports.conflicting == 0", "reports.illegal == 0",
		"reports.duplicate <= 5%",
		"time.upgrade.p50 < 1m", "time.upgrade.p90 < 1m30s", "time.upgrade.p95 <= 2m", "time.upgrade.p99 < 5m",
		"time.upgrade.p999 < 8m",
		"time.upgrade.max < 10m", "time.decide.p50 < 1s", "time.download.max < 1m", "time.install.p99 > 5s",
		"windows.held >= 90%",
		"drift.memory <= 5%", "drift.upgrade.p50 < 20%", "drift.upgrade.p90 < 20%", "drift.upgrade.p95 <= 20%",
		"drift.upgrade.p99 <= 1000%", "drift.upgrade.p999 <= 20%", "drift.upgrade.max < 25.5%", "drift.decide.p50 <= 1%",
		"drift.download.max <= 0%", "drift.install.p99 < 5%",
		"faults.brown-out >= 10",
		"never stored downloading of rootfs after stored upgrade_failed signature_invalid of rootfs",
		"no camera loses its power",
		"never upgraded in cameras after upgrade_failed in cameras",
		"always power_cut then connected within 2m",
		"always confirmed in spring after arrived then numbered upgrade_confirmed in spring on gateways",
	}, lines)
	assert.True(t, s.Expect.AllFaultsFired)
}

func TestEveryKeyOfRules(t *testing.T) {
	rules := everything(t).Expect.Rules
	assert.Equal(t, scenario.Rule{
		Name: "never stored downloading of rootfs after stored upgrade_failed signature_invalid of rootfs", Never: true,
		Match: scenario.Pattern{Event: scenario.EventStored, Component: "rootfs", Status: pointer(ota.Downloading)},
		After: &scenario.Pattern{Event: scenario.EventStored, Component: "rootfs", Status: pointer(ota.UpgradeFailed),
			Code: ota.SignatureInvalid},
	}, rules[0])
	assert.Equal(t, scenario.Rule{
		Name: "no camera loses its power", Never: true, Fleet: "cameras",
		Match: scenario.Pattern{Event: scenario.EventPowerCut, Fault: "brown-out"},
	}, rules[1])
	assert.Equal(t, scenario.Rule{
		Name: "always power_cut then connected within 2m", Within: 2 * time.Minute,
		Match: scenario.Pattern{Event: scenario.EventPowerCut}, Then: &scenario.Pattern{Event: scenario.EventConnected},
	}, rules[3])
}

func TestWhenDevicesArrive(t *testing.T) {
	s := everything(t)
	for _, test := range []struct {
		fleet string
		n     int
		want  string
	}{
		{"gateways", 1, "10s"}, {"gateways", 2501, "40s"}, {"gateways", 5000, "1m9.988s"},
		{"cameras", 1, "0s"}, {"cameras", 10, "18s"},
		{"meters", 1, "0s"}, {"meters", 20, "9.5s"}, {"meters", 21, "40s"}, {"meters", 25, "40s"}, {"meters", 26, "40s"},
		{"meters", 100, "1m39.2s"},
		{"herds", 3, "0s"},
		{"sensors", 1, "10s"}, {"sensors", 2501, "40s"}, {"sensors", 7501, "40s"}, {"sensors", 10001, "10s"},
	} {
		assert.Equal(t, test.want, s.Arrival(s.Fleet(test.fleet), test.n).String(), "%s %d", test.fleet, test.n)
	}
	gateways, n := s.Gateway(s.Fleet("sensors"), 12000)
	assert.Equal(t, s.Fleet("gateways"), gateways)
	assert.Equal(t, 2000, n)
}
