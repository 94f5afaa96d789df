package verdict_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
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
			{Name: "cameras", Count: 100, Classes: verdict.Counts{scenario.Upgraded: 95, scenario.UpgradeFailed: 3, scenario.Refused: 2}},
		},
		Components: map[string]map[string]int{
			"rootfs": {"upgrade_succeeded": 990, "upgrade_failed": 8, "plan_received": 2}, "motor": {"upgrade_succeeded": 892, "no_update_required": 8}},
		Reports: verdict.Reports{Numbered: 14000, Stored: 14000, Duplicate: 70},
		Times:   verdict.Times{Upgrade: spread(11, 20, 25, 58, 65, 72), Decide: spread(1, 1, 1, 1, 1, 2), Download: spread(3, 3, 3, 4, 4, 5), Install: spread(5, 5, 6, 7, 7, 8)},
		Faults: []verdict.FaultCount{
			{Name: "lossy-line", Drawn: 200, Fired: 411, Outcomes: verdict.Counts{scenario.Upgraded: 190, scenario.UpgradeFailed: 5}},
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
	s, err := scenario.Parse("spec.yaml", []byte(fmt.Sprintf(`
scenario: flaky-uplink
description: Gateways on a bad line all end upgraded.
seed: 42
duration: 10m
fleet:
  - {name: gateways, count: %d, product: p, components: [{id: rootfs, type: module, version: "1"}, {id: motor, type: mcu, version: "1"}]}
  - {name: cameras, count: %d, product: q, components: [{id: rootfs, type: module, version: "1"}]}
faults:
  - {name: lossy-line, at: downloading, do: drop, chance: 20%%}
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 50%%}
expect: `, gateways, cameras)+expect))
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
		{"{}", "nothing happened that never may", func(f *figures) { f.Violations = 3 }, "3 violations"},
		{"{}", "no report is lost, out of order, conflicting or illegal", func(f *figures) { f.Reports.Lost = 20 }, "20 lost, 0 out of order, 0 conflicting, 0 illegal"},
		{"{}", "no report is lost, out of order, conflicting or illegal", func(f *figures) { f.Reports.Illegal = 1 }, "0 lost, 0 out of order, 0 conflicting, 1 illegal"},
		{`{reports: {lost: "<= 5", illegal: 0}}`, "no report is out of order or conflicting", func(f *figures) { f.Reports.OutOfOrder, f.Reports.Lost = 1, 5 },
			"1 out of order, 0 conflicting"},
		{`{reports: {lost: "< 1%", illegal: 0, out_of_order: ">= 0"}}`, "no report is conflicting", func(f *figures) { f.Reports.Conflicting, f.Reports.OutOfOrder = 1, 7 },
			"1 conflicting"},
		{`{reports: {undelivered: 0}}`, "reports.undelivered == 0", func(f *figures) { f.Reports.Undelivered = 2 }, "2"},
		{`{devices: {upgraded: ">= 99%"}}`, "devices.upgraded >= 99%", func(f *figures) { f.Classes[scenario.Upgraded] = 989 }, "98.90% (989 of 1000)"},
		{`{devices: {upgraded: 990}}`, "devices.upgraded == 990", func(f *figures) { f.Classes[scenario.Upgraded] = 991 }, "991"},
		{`{devices: {refused: "< 3"}}`, "devices.refused < 3", func(f *figures) { f.Classes[scenario.Refused] = 3 }, "3"},
		{`{devices: {unfinished: 0}}`, "devices.unfinished == 0", func(f *figures) { f.Classes[scenario.Unfinished] = 1 }, "1"},
		{`{devices: {cameras: {upgraded: ">= 95%"}}}`, "devices.cameras.upgraded >= 95%",
			func(f *figures) { f.Fleets[1].Classes[scenario.Upgraded] = 94 }, "94.00% (94 of 100)"},
		{`{components: {rootfs: {upgrade_succeeded: ">= 99%"}}}`, "components.rootfs.upgrade_succeeded >= 99%",
			func(f *figures) { f.Components["rootfs"]["upgrade_succeeded"] = 989 }, "98.90% (989 of 1000)"},
		{`{components: {motor: {upgrade_succeeded: ">= 99%"}}}`, "components.motor.upgrade_succeeded >= 99%",
			func(f *figures) { f.Components["motor"]["upgrade_succeeded"] = 890 }, "98.89% (890 of 900)"},
		{`{components: {motor: {upgrade_failed: 0}}}`, "components.motor.upgrade_failed == 0",
			func(f *figures) { f.Components["motor"]["upgrade_failed"] = 1 }, "1"},
		{`{reports: {lost: 0}}`, "reports.lost == 0", func(f *figures) { f.Reports.Lost = 1 }, "1"},
		{`{reports: {out_of_order: 0}}`, "reports.out_of_order == 0", func(f *figures) { f.Reports.OutOfOrder = 1 }, "1"},
		{`{reports: {conflicting: 0}}`, "reports.conflicting == 0", func(f *figures) { f.Reports.Conflicting = 1 }, "1"},
		{`{reports: {illegal: 0}}`, "reports.illegal == 0", func(f *figures) { f.Reports.Illegal = 1 }, "1"},
		{`{reports: {duplicate: "<= 1%"}}`, "reports.duplicate <= 1%", func(f *figures) { f.Reports.Duplicate = 141 }, "1.01% (141 of 14000)"},
		{`{time: {upgrade: {p50: "< 12s"}}}`, "time.upgrade.p50 < 12s", func(f *figures) { f.Times.Upgrade = spread(12, 20, 25, 58, 65, 72) }, "12.00s"},
		{`{time: {upgrade: {p90: "< 21s"}}}`, "time.upgrade.p90 < 21s", func(f *figures) { f.Times.Upgrade = spread(11, 21, 25, 58, 65, 72) }, "21.00s"},
		{`{time: {upgrade: {p95: "< 26s"}}}`, "time.upgrade.p95 < 26s", func(f *figures) { f.Times.Upgrade = spread(11, 20, 60, 60, 65, 72) }, "1m0s"},
		{`{time: {upgrade: {p99: "<= 1m"}}}`, "time.upgrade.p99 <= 1m", func(f *figures) { f.Times.Upgrade = spread(11, 20, 25, 3600, 3600, 3600) }, "1h0m0s"},
		{`{time: {upgrade: {p999: "<= 66s"}}}`, "time.upgrade.p999 <= 1m6s", func(f *figures) { f.Times.Upgrade = spread(11, 20, 25, 58, 67, 72) }, "1m7s"},
		{`{time: {upgrade: {max: "< 80s"}}}`, "time.upgrade.max < 1m20s", func(f *figures) { f.Times.Upgrade = spread(11, 20, 25, 58, 65, 80) }, "1m20s"},
		{`{time: {upgrade: {max: "< 80s"}}}`, "time.upgrade.max < 1m20s", func(f *figures) { f.Times.Upgrade = verdict.Distribution{} }, "no device was upgraded"},
		{`{time: {decide: {p95: "< 2s"}}}`, "time.decide.p95 < 2s", func(f *figures) { f.Times.Decide = spread(1, 1, 2, 2, 2, 2) }, "2.00s"},
		{`{time: {decide: {p95: "< 2s"}}}`, "time.decide.p95 < 2s", func(f *figures) { f.Times.Decide = verdict.Distribution{} }, "no device decided"},
		{`{time: {download: {max: "< 6s"}}}`, "time.download.max < 6s", func(f *figures) { f.Times.Download = spread(1, 1, 1, 1, 1, 6) }, "6.00s"},
		{`{time: {download: {max: "< 6s"}}}`, "time.download.max < 6s", func(f *figures) { f.Times.Download = verdict.Distribution{} }, "nothing was downloaded"},
		{`{time: {install: {p99: "< 8s"}}}`, "time.install.p99 < 8s", func(f *figures) { f.Times.Install = spread(1, 1, 1, 9, 9, 9) }, "9.00s"},
		{`{time: {install: {p99: "< 8s"}}}`, "time.install.p99 < 8s", func(f *figures) { f.Times.Install = verdict.Distribution{} }, "nothing was installed"},
		{`{reports: {duplicate: "<= 1%"}}`, "reports.duplicate <= 1%", func(f *figures) { f.Reports = verdict.Reports{} }, "no device made a report"},
		{`{components: {motor: {upgrade_failed: 0}}}`, "components.motor.upgrade_failed == 0", func(f *figures) { f.Fleets[0].Count = 0 }, "no device has it"},
		{`{faults: {brown-out: "< 90"}}`, "faults.brown-out < 90", func(f *figures) { f.Faults[1] = verdict.FaultCount{Name: "brown-out"} }, "it was drawn for no device"},
		{`{faults: {brown-out: ">= 50"}}`, "faults.brown-out >= 50", func(f *figures) { f.Faults[1].Fired = 49 }, "fired 49 times"},
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

// TestFleetWithoutDevices: an expectation of a fleet of which nobody came is not
// held against the whole run.
func TestFleetWithoutDevices(t *testing.T) {
	s := spec(t, `{devices: {upgraded: 2, cameras: {upgraded: 2}}}`)
	h := historyOf(s)
	for _, d := range []string{"gateways-000001", "gateways-000002"} {
		h.connect(d, "gateways").upgrade(d)
	}
	all := verdict.Expect(s, h.judge.Figures(verdict.Sizes(s)))
	require.Len(t, all, 5)
	assert.Equal(t, verdict.Expectation{Name: "devices.upgraded == 2", Measured: "2", Held: true, Occasions: 1000}, all[3])
	assert.Equal(t, verdict.Expectation{Name: "devices.cameras.upgraded == 2", Fleet: "cameras", Measured: "0", Occasions: 100}, all[4])
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
		assert.Equal(t, verdict.Expectation{Name: "the run came to its end", Measured: measured}, v.Expectations[len(v.Expectations)-1])
	}
}

// verdicts are those whose form is kept as golden files.
func verdicts(t *testing.T) map[string]*verdict.Verdict {
	t.Helper()
	held := verdicttest.Judge(verdicttest.Parse(verdicttest.Fleets(1000)), 42)
	require.True(t, held.Held, "%+v", held.Expectations)
	held.Resources = verdict.Resources{PeakMemory: 50 << 20, Sockets: 2411, Wall: 84 * time.Second, CPU: 31 * time.Second, CPUs: 2, System: "linux/amd64"}
	empty := verdict.New(spec(t, "{}"), 1, "real", verdict.NewJudge(spec(t, "{}"), verdict.WithLogs).Figures(nil))
	empty.Interrupt()
	return map[string]*verdict.Verdict{"held": held, "broken": broken(t), "empty": empty}
}

// broken is a verdict on a run in which every sort of thing went wrong.
func broken(t *testing.T) *verdict.Verdict {
	t.Helper()
	s := specOf(t, 3, 2, `
  devices: {upgraded: ">= 99%", unaccounted: 0, cameras: {upgraded: ">= 95%"}}
  components: {rootfs: {upgrade_succeeded: 5}}
  reports: {lost: 0, conflicting: 0}
  time: {upgrade: {p99: "< 5s"}, download: {max: "< 5s"}}
  faults: {fired: all, brown-out: 1}
  never: [{event: stored, status: upgrade_failed, fleet: gateways}]
  always: [{name: back soon, event: disconnected, then: {event: connected}, within: 1s}]`)
	h := historyOf(s)
	const a, b, c, d = "gateways-000001", "gateways-000002", "cameras-000001", "cameras-000002"
	h.connect(a, "gateways").upgrade(a).add(verdict.Event{Kind: verdict.Violation, Device: a, Text: "component app was reported upgraded to 1.1.0 and runs 1.0.0"})
	h.connect(b, "gateways").say(b, ota.PlanReceived).say(b, ota.UpgradeFailed).status(b, ota.DeviceUpgradeFailed)
	h.connect(c, "cameras").say(c, ota.PlanReceived).answer(c, ota.ReasonBattery)
	h.add(verdict.Event{Kind: verdict.FaultFired, Device: c, Text: "lossy-line"}).event(verdict.Disconnected, c)
	h.arrive(d, "cameras").record(verdict.Numbered, d, h.report(d, "app", ota.PlanReceived))
	h.judge.Drawn("lossy-line", 2)
	v := verdict.New(s, 7, "virtual", h.judge.Figures(verdict.Sizes(s)))
	v.Part = "shard 2/4"
	return v
}

// TestForms holds what is written against the golden files; UPDATE_GOLDEN=1
// writes them anew.
func TestForms(t *testing.T) {
	for name, v := range verdicts(t) {
		for ending, write := range map[string]func(io.Writer) error{
			"txt":  func(w io.Writer) error { return v.WriteText(w, verdict.Style{}) },
			"json": v.WriteJSON,
			"xml":  v.WriteJUnit,
		} {
			t.Run(name+"."+ending, func(t *testing.T) {
				var b bytes.Buffer
				require.NoError(t, write(&b))
				golden := "testdata/" + name + "." + ending
				if os.Getenv("UPDATE_GOLDEN") != "" {
					require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				assert.Equal(t, string(want), b.String())
				require.ErrorIs(t, write(fullDisk{}), errFull)
			})
		}
	}
}

var errFull = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestColors(t *testing.T) {
	for _, v := range verdicts(t) {
		var plain, colored bytes.Buffer
		require.NoError(t, v.WriteText(&plain, verdict.Style{}))
		require.NoError(t, v.WriteText(&colored, verdict.Style{Color: true}))
		assert.NotContains(t, plain.String(), "\x1b")
		stripped := colored.String()
		for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"} {
			stripped = strings.ReplaceAll(stripped, code, "")
		}
		assert.Equal(t, plain.String(), stripped, "colours add nothing but colour")
	}
}

// TestJSONFields lists the fields that scripts rely on.
func TestJSONFields(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, verdicts(t)["held"].WriteJSON(&b))
	var d map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &d))
	for _, field := range []string{"scenario", "held", "interrupted", "seed", "world", "devices", "seconds", "classes", "components", "reports",
		"time", "faults", "refusals", "codes", "expectations", "rules", "violations", "slowest", "failed", "history_digest", "resources"} {
		assert.Contains(t, d, field)
	}
	sum := 0.0
	all := d["classes"].(map[string]any)["all"].(map[string]any)
	for _, class := range scenario.Classes() {
		assert.Contains(t, all, string(class))
		sum += all[string(class)].(float64)
	}
	assert.Equal(t, 1000.0, sum)
	for _, span := range scenario.Spans() {
		for _, q := range scenario.Quantiles() {
			assert.Contains(t, d["time"].(map[string]any)[string(span)], string(q))
		}
	}
	assert.Regexp(t, "^[0-9a-f]{64}$", d["history_digest"])
}
