package verdict_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// good is a run about which nothing is to be said.
func good() *verdict.Figures {
	return &verdict.Figures{
		Devices: 1000, Duration: 83*time.Second + 400*time.Millisecond,
		Classes: verdict.Counts{scenario.Upgraded: 990, scenario.UpgradeFailed: 8, scenario.Refused: 2},
		Fleets: []verdict.FleetCount{
			{Name: "gateways", Count: 900, Classes: verdict.Counts{scenario.Upgraded: 895, scenario.UpgradeFailed: 5}},
			{Name: "cameras", Count: 100, Classes: verdict.Counts{scenario.Upgraded: 95, scenario.UpgradeFailed: 3,
				scenario.Refused: 2}},
		},
		Components: map[string]map[string]int{
			"rootfs": {"upgrade_succeeded": 990, "upgrade_failed": 8, "plan_received": 2}, "motor": {"upgrade_succeeded": 892,
				"no_update_required": 8}},
		Beliefs: map[string]map[string]int{"": {"upgraded": 990, "upgrade_failed": 8, "no_update_required": 2}},
		Reports: verdict.Reports{Numbered: 14000, Stored: 14000, Duplicate: 70},
		Times: verdict.Times{Upgrade: spread(11, 20, 25, 58, 65, 72), Decide: spread(1, 1, 1, 1, 1, 2),
			Download: spread(3, 3, 3, 4, 4, 5), Install: spread(5, 5, 6, 7, 7, 8)},
		Faults: []verdict.FaultCount{
			{Name: "lossy-line", Drawn: 200, Fired: 411, Outcomes: verdict.Counts{scenario.Upgraded: 190,
				scenario.UpgradeFailed: 5}},
			{Name: "brown-out", Drawn: 50, Fired: 50, Outcomes: verdict.Counts{scenario.Upgraded: 50}}},
		Bytes: 1100 << 20, Sessions: 1461, PowerCuts: 50,
	}
}

// spread is a distribution with these quantiles, in seconds.
func spread(p50, p90, p95, p99, p999, longest int) (d verdict.Distribution) {
	for i := 1; i <= 1000; i++ {
		switch {
		case i <= 500:
			d.Add(time.Duration(p50) * time.Second)
		case i <= 900:
			d.Add(time.Duration(p90) * time.Second)
		case i <= 950:
			d.Add(time.Duration(p95) * time.Second)
		case i <= 990:
			d.Add(time.Duration(p99) * time.Second)
		case i <= 999:
			d.Add(time.Duration(p999) * time.Second)
		default:
			d.Add(time.Duration(longest) * time.Second)
		}
	}
	return d
}

// spec is a scenario that a good run fulfils.
func spec(t *testing.T, expect string) *scenario.Scenario { return specOf(t, 900, 100, expect) }

func specOf(t *testing.T, gateways, cameras int, expect string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("spec.yaml", []byte(verdicttest.Uplink(gateways, cameras, expect)))
	require.NoError(t, err)
	return s
}

// TestEveryExpectationCanFail: each expectation holds for a good run, and stops
// to hold when its own condition is broken, and only its own.
func TestEveryExpectationCanFail(t *testing.T) {
	type figures = verdict.Figures
	fails := []struct {
		expect   string
		name     string
		broken   func(f *verdict.Figures)
		measured string
	}{
		{"{}", "every device is accounted for", func(f *figures) { f.Classes[scenario.Unaccounted] = 1 }, "1 unaccounted"},
		{"{}", "invariants held", func(f *figures) { f.Violations = 3 }, "3 violations"},
		{"{}", "no report is lost, out of order, conflicting or illegal", func(f *figures) { f.Reports.Lost = 20 },
			"20 lost, 0 out of order, 0 conflicting, 0 illegal"},
		{"{}", "no report is lost, out of order, conflicting or illegal", func(f *figures) { f.Reports.Illegal = 1 },
			"0 lost, 0 out of order, 0 conflicting, 1 illegal"},
		{`{reports: {lost: "<= 5", illegal: 0}}`, "no report is out of order or conflicting",
			func(f *figures) { f.Reports.OutOfOrder, f.Reports.Lost = 1, 5 },
			"1 out of order, 0 conflicting"},
		{`{reports: {lost: "< 1%", illegal: 0, out_of_order: ">= 0"}}`, "no report is conflicting",
			func(f *figures) { f.Reports.Conflicting, f.Reports.OutOfOrder = 1, 7 },
			"1 conflicting"},
		{`{reports: {undelivered: 0}}`, "reports.undelivered == 0", func(f *figures) { f.Reports.Undelivered = 2 }, "2"},
		{`{devices: {upgraded: ">= 99%"}}`, "devices.upgraded >= 99%",
			func(f *figures) { f.Classes[scenario.Upgraded] = 989 }, "98.90% (989 of 1000)"},
		{`{devices: {upgraded: 990}}`, "devices.upgraded == 990", func(f *figures) { f.Classes[scenario.Upgraded] = 991 },
			"991"},
		{`{devices: {refused: "< 3"}}`, "devices.refused < 3", func(f *figures) { f.Classes[scenario.Refused] = 3 }, "3"},
		{`{devices: {unfinished: 0}}`, "devices.unfinished == 0", func(f *figures) { f.Classes[scenario.Unfinished] = 1 },
			"1"},
		{`{devices: {cameras: {upgraded: ">= 95%"}}}`, "devices.cameras.upgraded >= 95%",
			func(f *figures) { f.Fleets[1].Classes[scenario.Upgraded] = 94 }, "94.00% (94 of 100)"},
		{`{components: {rootfs: {upgrade_succeeded: ">= 99%"}}}`, "components.rootfs.upgrade_succeeded >= 99%",
			func(f *figures) { f.Components["rootfs"]["upgrade_succeeded"] = 989 }, "98.90% (989 of 1000)"},
		{`{components: {motor: {upgrade_succeeded: ">= 99%"}}}`, "components.motor.upgrade_succeeded >= 99%",
			func(f *figures) { f.Components["motor"]["upgrade_succeeded"] = 890 }, "98.89% (890 of 900)"},
		{`{components: {motor: {upgrade_failed: 0}}}`, "components.motor.upgrade_failed == 0",
			func(f *figures) { f.Components["motor"]["upgrade_failed"] = 1 }, "1"},
		{`{platform: {upgraded: ">= 99%"}}`, "platform.upgraded >= 99%",
			func(f *figures) { f.Beliefs[""]["upgraded"] = 989 }, "98.90% (989 of 1000)"},
		{`{platform: {not_upgraded: 0}}`, "platform.not_upgraded == 0",
			func(f *figures) { f.Beliefs[""]["upgraded"] = 988 }, "2"},
		{`{platform: {mistaken: 0}}`, "platform.mistaken == 0", func(f *figures) { f.Mistaken = 1 }, "1"},
		{`{platform: {finished: true}}`, "platform.finished: true",
			func(f *figures) { f.Beliefs[""]["upgraded"], f.Beliefs[""]["upgrading"] = 980, 7 }, "10"},
		{`{reports: {lost: 0}}`, "reports.lost == 0", func(f *figures) { f.Reports.Lost = 1 }, "1"},
		{`{reports: {out_of_order: 0}}`, "reports.out_of_order == 0", func(f *figures) { f.Reports.OutOfOrder = 1 }, "1"},
		{`{reports: {conflicting: 0}}`, "reports.conflicting == 0", func(f *figures) { f.Reports.Conflicting = 1 }, "1"},
		{`{reports: {illegal: 0}}`, "reports.illegal == 0", func(f *figures) { f.Reports.Illegal = 1 }, "1"},
		{`{reports: {duplicate: "<= 1%"}}`, "reports.duplicate <= 1%", func(f *figures) { f.Reports.Duplicate = 141 },
			"1.01% (141 of 14000)"},
		{`{time: {upgrade: {p50: "< 12s"}}}`, "time.upgrade.p50 < 12s",
			func(f *figures) { f.Times.Upgrade = spread(12, 20, 25, 58, 65, 72) }, "12.00s"},
		{`{time: {upgrade: {p90: "< 21s"}}}`, "time.upgrade.p90 < 21s",
			func(f *figures) { f.Times.Upgrade = spread(11, 21, 25, 58, 65, 72) }, "21.00s"},
		{`{time: {upgrade: {p95: "< 26s"}}}`, "time.upgrade.p95 < 26s",
			func(f *figures) { f.Times.Upgrade = spread(11, 20, 60, 60, 65, 72) }, "1m0s"},
		{`{time: {upgrade: {p99: "<= 1m"}}}`, "time.upgrade.p99 <= 1m",
			func(f *figures) { f.Times.Upgrade = spread(11, 20, 25, 3600, 3600, 3600) }, "1h0m0s"},
		{`{time: {upgrade: {p999: "<= 66s"}}}`, "time.upgrade.p999 <= 1m6s",
			func(f *figures) { f.Times.Upgrade = spread(11, 20, 25, 58, 67, 72) }, "1m7s"},
		{`{time: {upgrade: {max: "< 80s"}}}`, "time.upgrade.max < 1m20s",
			func(f *figures) { f.Times.Upgrade = spread(11, 20, 25, 58, 65, 80) }, "1m20s"},
		{`{time: {upgrade: {max: "< 80s"}}}`, "time.upgrade.max < 1m20s",
			func(f *figures) { f.Times.Upgrade = verdict.Distribution{} }, "no device was upgraded"},
		{`{time: {decide: {p95: "< 2s"}}}`, "time.decide.p95 < 2s",
			func(f *figures) { f.Times.Decide = spread(1, 1, 2, 2, 2, 2) }, "2.00s"},
		{`{time: {decide: {p95: "< 2s"}}}`, "time.decide.p95 < 2s",
			func(f *figures) { f.Times.Decide = verdict.Distribution{} }, "no device decided"},
		{`{time: {download: {max: "< 6s"}}}`, "time.download.max < 6s",
			func(f *figures) { f.Times.Download = spread(1, 1, 1, 1, 1, 6) }, "6.00s"},
		{`{time: {download: {max: "< 6s"}}}`, "time.download.max < 6s",
			func(f *figures) { f.Times.Download = verdict.Distribution{} }, "nothing was downloaded"},
		{`{time: {install: {p99: "< 8s"}}}`, "time.install.p99 < 8s",
			func(f *figures) { f.Times.Install = spread(1, 1, 1, 9, 9, 9) }, "9.00s"},
		{`{time: {install: {p99: "< 8s"}}}`, "time.install.p99 < 8s",
			func(f *figures) { f.Times.Install = verdict.Distribution{} }, "nothing was installed"},
		{`{reports: {duplicate: "<= 1%"}}`, "reports.duplicate <= 1%", func(f *figures) { f.Reports = verdict.Reports{} },
			"no device made a report"},
		{`{components: {motor: {upgrade_failed: 0}}}`, "components.motor.upgrade_failed == 0",
			func(f *figures) { f.Fleets[0].Count = 0 }, "no device has it"},
		{`{faults: {brown-out: "< 90"}}`, "faults.brown-out < 90",
			func(f *figures) { f.Faults[1] = verdict.FaultCount{Name: "brown-out"} }, "it was drawn for no device"},
		{`{faults: {brown-out: ">= 50"}}`, "faults.brown-out >= 50", func(f *figures) { f.Faults[1].Fired = 49 },
			"fired 49 times"},
		{`{faults: {fired: all}}`, "faults.fired: all", func(f *figures) { f.Faults[0].Fired, f.Faults[1].Fired = 0, 0 },
			"lossy-line never fired (drawn for 200 devices), brown-out never fired (drawn for 50 devices)"},
	}
	for _, tt := range fails {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, tt.expect)
			v := verdict.New(s, 42, "real", good())
			assert.True(t, v.Held, "%+v", v.Expectations)
			f := good()
			tt.broken(f)
			v = verdict.New(s, 42, "real", f)
			assert.False(t, v.Held)
			for _, e := range v.Expectations {
				assert.Equal(t, e.Name != tt.name, e.Held, e.Name)
				if e.Name == tt.name {
					assert.Equal(t, tt.measured, e.Measured)
				}
			}
		})
	}
}

// TestFleetWithoutDevices: an expectation of a fleet without devices is not
// held against the whole run.
func TestFleetWithoutDevices(t *testing.T) {
	s := spec(t, `{devices: {upgraded: 2, cameras: {upgraded: 2}}}`)
	h := verdicttest.NewScript(s)
	for _, d := range []string{"gateways-000001", "gateways-000002"} {
		h.Connect(d, "gateways").Upgrade(d)
	}
	all := verdict.Expect(s, h.Judge.Figures(verdict.Sizes(s)))
	require.Len(t, all, 5)
	assert.Equal(t, verdict.Expectation{Name: "devices.upgraded == 2", Measured: "2", Held: true, Occasions: 1000}, all[3])
	assert.Equal(t, verdict.Expectation{Name: "devices.cameras.upgraded == 2", Fleet: "cameras", Measured: "0",
		Occasions: 100}, all[4])
}

func TestCutShort(t *testing.T) {
	for measured, cut := range map[string]func(*verdict.Verdict){
		"interrupted after 1m23s":           (*verdict.Verdict).Interrupt,
		"the record breaks off after 1m23s": (*verdict.Verdict).Break,
	} {
		v := verdict.New(spec(t, "{}"), 42, "real", good())
		assert.True(t, v.Held)
		cut(v)
		assert.False(t, v.Held)
		assert.True(t, v.Interrupted)
		assert.Equal(t, verdict.Expectation{Name: "the run came to its end", Measured: measured},
			v.Expectations[len(v.Expectations)-1])
	}
}
