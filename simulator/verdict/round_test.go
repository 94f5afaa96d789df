package verdict_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// repeated is a scenario of a plan that comes again and again, in windows of a minute.
func repeated(rules ...scenario.Rule) *scenario.Scenario {
	s := fleets("gw")
	s.Windows = time.Minute
	s.Plans = []scenario.Plan{{Name: "nightly", Repeat: &scenario.Repeat{Every: time.Minute, Rounds: 5000}}}
	s.Expect.Rules = rules
	return s
}

const again = "gw-000001"

// round takes the device through a round, to an end.
func round(h *verdicttest.Script, n int, end ota.DeviceStatus, statuses ...ota.Status) {
	plan := fmt.Sprintf("nightly.%d", n)
	h.SaysOf(plan, again, "app", statuses...)
	h.Under(plan, again, ota.DeviceUpgrading).Under(plan, again, end)
}

// TestRoundsInTheirOrder: a device stands where the last round has brought it, and what
// was measured of all of them counts.
func TestRoundsInTheirOrder(t *testing.T) {
	h := verdicttest.NewScript(repeated()).Connect(again, "gw")
	round(h, 1, ota.DeviceUpgraded, ota.PlanReceived, ota.UpgradeSucceeded)
	round(h, 2, ota.DeviceUpgradeFailed, ota.PlanReceived, ota.UpgradeFailed)
	round(h, 3, ota.DeviceUpgraded, ota.PlanReceived, ota.UpgradeSucceeded)
	h.Under("nightly.2", again, ota.DeviceUpgradeFailed) // late
	f := figuresOf(h, gws(1))
	assert.Equal(t, 1, f.Classes[scenario.Upgraded], "%v", f.Classes)
	assert.Equal(t, map[string]int{"upgraded": 1}, f.Beliefs["nightly"])
	assert.NotContains(t, f.Beliefs, "nightly.1")
	assert.Equal(t, 2, f.Times.Upgrade.Count())
	assert.Equal(t, 6, f.Reports.Stored)
	assert.Zero(t, f.Reports.Lost)
}

// TestRoundAtWork: a round that goes on is not hidden by a later one.
func TestRoundAtWork(t *testing.T) {
	h := verdicttest.NewScript(repeated()).Connect(again, "gw")
	round(h, 1, ota.DeviceUpgrading, ota.PlanReceived)
	h.Under("nightly.2", again, ota.DeviceUpgradeFailed)
	assert.Equal(t, 1, figuresOf(h, gws(1)).Classes[scenario.Unfinished])
}

// TestLostInAnEarlierRound: a report that a round lacks is lost however many follow.
func TestLostInAnEarlierRound(t *testing.T) {
	h := verdicttest.NewScript(repeated()).Connect(again, "gw")
	r := h.Report(again, "app", ota.PlanReceived)
	r.Plan = "nightly.1"
	h.Record(verdict.Numbered, again, r)
	for n := 2; n < 20; n++ {
		round(h, n, ota.DeviceUpgraded, ota.PlanReceived, ota.UpgradeSucceeded)
	}
	assert.Equal(t, 1, figuresOf(h, gws(1)).Reports.Lost)
}

// TestRoundsTakeNoMemory: what is kept of a device does not grow with its rounds.
func TestRoundsTakeNoMemory(t *testing.T) {
	h := verdicttest.NewScript(repeated()).Connect(again, "gw")
	play := func(from, to int) func() {
		return func() {
			for n := from; n < to; n++ {
				round(h, n, ota.DeviceUpgraded, ota.PlanReceived, ota.UpgradeSucceeded)
			}
		}
	}
	play(1, 2000)()
	first := testing.AllocsPerRun(1, play(2000, 2100))
	play(2100, 4800)()
	assert.InDelta(t, first, testing.AllocsPerRun(1, play(4800, 4900)), first/10)
}

// TestRulesOfARepeatedPlan are about each of its rounds.
func TestRulesOfARepeatedPlan(t *testing.T) {
	never := scenario.Rule{Name: "n", Never: true,
		Match: scenario.Pattern{Event: scenario.EventUpgradeFailed, Plan: "nightly"}}
	h := verdicttest.NewScript(repeated(never)).Connect(again, "gw")
	round(h, 1, ota.DeviceUpgraded, ota.PlanReceived)
	round(h, 12, ota.DeviceUpgradeFailed, ota.PlanReceived)
	assert.Equal(t, 1, figuresOf(h, gws(1)).Rules[0].Broken)

	h = verdicttest.NewScript(repeated(never)).Connect(again, "gw")
	h.Under("nightly.x", again, ota.DeviceUpgradeFailed).Under("nightly", again, ota.DeviceUpgraded)
	assert.Zero(t, figuresOf(h, gws(1)).Rules[0].Broken)
}

// TestWindows: each is judged by what happened in it.
func TestWindows(t *testing.T) {
	s := repeated(scenario.Rule{Name: "n", Never: true, Match: scenario.Pattern{Event: scenario.EventPowerCut}})
	s.Expect.Devices = []scenario.DeviceExpectation{{Class: scenario.Upgraded,
		Comparison: scenario.Comparison{Op: scenario.AtLeast, Value: 60, Percent: true}}}
	s.Expect.Times = []scenario.TimeExpectation{{Quantile: scenario.Max,
		Limit: scenario.Limit{Op: scenario.Below, Value: 5 * time.Second}}}
	h := verdicttest.NewScript(s).Connect(again, "gw")
	round(h, 1, ota.DeviceUpgraded, ota.PlanReceived, ota.UpgradeSucceeded) // 3s to 8s
	h.At = time.Minute
	round(h, 2, ota.DeviceUpgradeFailed, ota.PlanReceived, ota.UpgradeFailed)
	round(h, 3, ota.DeviceUpgraded, ota.PlanReceived)
	h.At = 2 * time.Minute
	round(h, 4, ota.DeviceUpgraded, ota.PlanReceived, ota.Downloading, ota.DownloadSucceeded)
	h.Event(verdict.PowerCut, again)
	h.Add(verdict.Event{Kind: verdict.Violation, Device: again, Text: "a lie"})
	h.Event(verdict.Illegal, again)
	f := figuresOf(h, gws(1))
	rolling := f.Windows.Rolling(s, 1)
	var lines []string
	for i := range rolling {
		lines = append(lines, rolling[i].String())
	}
	assert.Equal(t, []string{
		"0s to 1m0s: 1 upgraded, 0 failed, p50 5.00s, p99 5.00s, not held: time.upgrade.max < 5s: 5.00s",
		"1m0s to 2m0s: 1 upgraded, 1 failed, p50 3.00s, p99 3.00s, not held: devices.upgraded >= 60%: 50.00% (1 of 2)",
		"2m0s to 3m0s: 1 upgraded, 0 failed, p50 6.98s, p99 6.98s, not held: 1 violation; 0 lost, 0 out of order, " +
			"0 conflicting, 1 illegal; 1 device broke a rule; time.upgrade.max < 5s: 7.00s",
	}, lines)
	assert.Equal(t, map[string]int{"health_check_failed": 1}, rolling[1].Codes)
	assert.Equal(t, 1, rolling[0].Connected)
	assert.Zero(t, rolling[2].Connected)
	assert.Equal(t, 1, rolling[2].Devices[ota.DeviceUpgraded])
	windows, last := h.Judge.Finished(2 * time.Minute)
	assert.Equal(t, 2, windows)
	assert.Equal(t, lines[1], last)
}

// TestLatencies are within 1% of what was measured, whatever they are.
func TestLatencies(t *testing.T) {
	for took := 500 * time.Microsecond; took < 60*24*time.Hour; took = took*13/10 + time.Microsecond {
		s := repeated()
		s.Duration, s.Windows = scenario.MaxDuration, 12*time.Hour
		h := verdicttest.NewScript(s).Connect(again, "gw")
		h.SaysOf("nightly.1", again, "app", ota.PlanReceived)
		h.At += took - 2*time.Second
		h.Under("nightly.1", again, ota.DeviceUpgraded)
		h.SaysOf("nightly.2", again, "app", ota.PlanReceived)
		windows := figuresOf(h, gws(1)).Windows.Rolling(s, 1)
		for i := range windows {
			if w := &windows[i]; w.Count(scenario.UpgradeSpan) > 0 {
				assert.InEpsilon(t, took, w.At(scenario.UpgradeSpan, scenario.P50), 0.01)
			}
		}
	}
}
