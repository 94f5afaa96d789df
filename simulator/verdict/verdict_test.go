package verdict_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
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
			"rootfs": {"upgrade_succeeded": 990, "upgrade_failed": 8, "plan_received": 2}, "motor": {"upgrade_succeeded": 992, "no_update_required": 8}},
		Reports:     verdict.Reports{Numbered: 14000, Stored: 14000, Duplicate: 70},
		UpgradeTime: verdict.Quantiles{Count: 990, P50: 11 * time.Second, P95: 25 * time.Second, P99: 58*time.Second + 90*time.Millisecond, Max: 72 * time.Second},
		Faults:      []verdict.FaultCount{{Name: "lossy-line", Drawn: 200, Fired: 411}, {Name: "brown-out", Drawn: 50, Fired: 50}},
		Bytes:       1100 << 20, Sessions: 1461, PowerCuts: 50,
	}
}

// spec is a scenario that a good run fulfils.
func spec(t *testing.T, expect string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("spec.yaml", []byte(`
scenario: flaky-uplink
description: Gateways on a bad line all end upgraded.
seed: 42
duration: 10m
fleet:
  - &fleet {name: gateways, count: 900, product: p, components: [{id: rootfs, type: module, version: "1"}]}
  - {name: cameras, count: 100, product: q, components: [{id: rootfs, type: module, version: "1"}]}
expect: `+expect))
	require.NoError(t, err)
	return s
}

// TestEveryExpectationCanFail: each expectation holds for a good run, and stops
// to hold when its own condition is broken, and only its own.
func TestEveryExpectationCanFail(t *testing.T) {
	fails := []struct {
		expect   string
		name     string
		broken   func(f *verdict.Figures)
		measured string
	}{
		{"{}", "every device is accounted for", func(f *verdict.Figures) { f.Classes[scenario.Unaccounted] = 1 }, "1 unaccounted"},
		{"{}", "nothing happened that never may", func(f *verdict.Figures) { f.Violations = 3 }, "3 violations"},
		{`{devices: {upgraded: ">= 99%"}}`, "devices.upgraded >= 99%", func(f *verdict.Figures) { f.Classes[scenario.Upgraded] = 989 }, "98.90% (989 of 1000)"},
		{`{devices: {upgraded: 990}}`, "devices.upgraded == 990", func(f *verdict.Figures) { f.Classes[scenario.Upgraded] = 991 }, "991"},
		{`{devices: {refused: "< 3"}}`, "devices.refused < 3", func(f *verdict.Figures) { f.Classes[scenario.Refused] = 3 }, "3"},
		{`{devices: {unfinished: 0}}`, "devices.unfinished == 0", func(f *verdict.Figures) { f.Classes[scenario.Unfinished] = 1 }, "1"},
		{`{devices: {cameras: {upgraded: ">= 95%"}}}`, "devices.cameras.upgraded >= 95%",
			func(f *verdict.Figures) { f.Fleets[1].Classes[scenario.Upgraded] = 94 }, "94.00% (94 of 100)"},
		{`{reports: {lost: 0}}`, "reports.lost == 0", func(f *verdict.Figures) { f.Reports.Lost = 1 }, "1"},
		{`{reports: {out_of_order: 0}}`, "reports.out_of_order == 0", func(f *verdict.Figures) { f.Reports.OutOfOrder = 1 }, "1"},
		{`{reports: {conflicting: 0}}`, "reports.conflicting == 0", func(f *verdict.Figures) { f.Reports.Conflicting = 1 }, "1"},
		{`{reports: {illegal: 0}}`, "reports.illegal == 0", func(f *verdict.Figures) { f.Reports.Illegal = 1 }, "1"},
		{`{reports: {duplicate: "<= 1%"}}`, "reports.duplicate <= 1%", func(f *verdict.Figures) { f.Reports.Duplicate = 141 }, "1.01% (141 of 14000)"},
		{`{time: {upgrade: {p50: "< 12s"}}}`, "time.upgrade.p50 < 12s", func(f *verdict.Figures) { f.UpgradeTime.P50 = 12 * time.Second }, "12.00s"},
		{`{time: {upgrade: {p95: "< 26s"}}}`, "time.upgrade.p95 < 26s", func(f *verdict.Figures) { f.UpgradeTime.P95 = time.Minute }, "1m0s"},
		{`{time: {upgrade: {p99: "<= 1m"}}}`, "time.upgrade.p99 <= 1m", func(f *verdict.Figures) { f.UpgradeTime.P99 = time.Hour }, "1h0m0s"},
		{`{time: {upgrade: {max: "< 80s"}}}`, "time.upgrade.max < 1m20s", func(f *verdict.Figures) { f.UpgradeTime.Max = 80 * time.Second }, "1m20s"},
		{`{time: {upgrade: {max: "< 80s"}}}`, "time.upgrade.max < 1m20s", func(f *verdict.Figures) { f.UpgradeTime = verdict.Quantiles{} }, "no device was upgraded"},
		{`{faults: {fired: all}}`, "faults.fired: all", func(f *verdict.Figures) { f.Faults[0].Fired, f.Faults[1].Fired = 0, 0 },
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
	h := newHistory()
	for _, d := range []string{"gw-1", "gw-2"} {
		h.connect(d, "gateways").upgrade(d)
	}
	s := spec(t, `{devices: {upgraded: 2, cameras: {upgraded: 2}}}`)
	all := verdict.Expect(&s.Expect, h.judge.Figures(verdict.Sizes(s)))
	require.Len(t, all, 4)
	assert.Equal(t, verdict.Expectation{Name: "devices.upgraded == 2", Measured: "2", Held: true}, all[2])
	assert.Equal(t, verdict.Expectation{Name: "devices.cameras.upgraded == 2", Fleet: "cameras", Measured: "0"}, all[3])
}

func TestInterrupt(t *testing.T) {
	v := verdict.New(spec(t, "{}"), 42, "real", good())
	assert.True(t, v.Held)
	v.Interrupt()
	assert.False(t, v.Held)
	assert.True(t, v.Interrupted)
	assert.Equal(t, verdict.Expectation{Name: "the run came to its end", Measured: "interrupted after 1m23s"}, v.Expectations[len(v.Expectations)-1])
}

const everything = `
  devices: {upgraded: ">= 99%", unaccounted: 0, cameras: {upgraded: ">= 95%"}}
  reports: {lost: 0, out_of_order: 0}
  time: {upgrade: {p99: "< 1m"}}
  faults: {fired: all}`

// verdicts are those whose form is kept as golden files.
func verdicts(t *testing.T) map[string]*verdict.Verdict {
	t.Helper()
	held := verdict.New(spec(t, everything), 42, "real", good())
	held.Resources = verdict.Resources{PeakMemory: 50 << 20, Sockets: 2411}
	f := good()
	f.Classes = verdict.Counts{scenario.Upgraded: 500, scenario.Unfinished: 100, scenario.Unreachable: 200, scenario.NotUpgraded: 99,
		scenario.NoUpdateRequired: 1, scenario.Unaccounted: 100}
	f.Fleets = f.Fleets[:1]
	f.Reports.Lost, f.Reports.Conflicting = 7, 1
	f.Faults[1].Fired = 0
	f.Violations, f.FirstViolations = 1, []string{"gateways-000001: component rootfs was reported upgraded to 1.1.0 and runs 1.0.0"}
	broken := verdict.New(spec(t, everything), 7, "virtual", f)
	empty := verdict.New(spec(t, "{}"), 1, "real", newHistory().judge.Figures(nil))
	empty.Interrupt()
	return map[string]*verdict.Verdict{"held": held, "broken": broken, "empty": empty}
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
				require.ErrorIs(t, write(broken{}), errFull)
			})
		}
	}
}

var errFull = errors.New("no space left")

// broken is a full disk.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errFull }

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
	require.NoError(t, verdicts(t)["broken"].WriteJSON(&b))
	var d map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &d))
	for _, field := range []string{"held", "seed", "world", "classes", "components", "reports", "time", "faults", "expectations", "resources"} {
		assert.Contains(t, d, field)
	}
	sum := 0.0
	all := d["classes"].(map[string]any)["all"].(map[string]any)
	for _, class := range scenario.Classes() {
		assert.Contains(t, all, string(class))
		sum += all[string(class)].(float64)
	}
	assert.Equal(t, 1000.0, sum)
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 1 << 50: "1.0 PiB", 1 << 60: "1024.0 PiB"} {
		assert.Equal(t, want, verdict.Bytes(n))
	}
}
