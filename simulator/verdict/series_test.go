package verdict_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// TestMoments follows a run: every moment has every device in one state.
func TestMoments(t *testing.T) {
	h := newHistory("f").Arrive("gw-000001", "gw")                                                      // 1s
	h.Event(verdict.Connected, "gw-000001").Event(verdict.Connected, "gw-000001")                       // 2s, 3s
	h.Status("gw-000001", ota.DeviceUpgrading)                                                          // 4s
	h.Add(verdict.Event{Kind: verdict.FaultFired, Device: "gw-000001", Text: "f"})                      // 5s
	h.Event(verdict.PowerCut, "gw-000001").Event(verdict.Disconnected, "gw-000001")                     // 6s, 7s
	h.Arrive("gw-000002", "gw").Add(verdict.Event{Kind: verdict.Downloaded, Device: "gw-000001", N: 7}) // 8s, 9s
	h.Status("gw-000001", ota.DeviceUpgraded)                                                           // 10s
	f := figuresOf(h, gws(3))
	at := func(d time.Duration) verdict.Moment {
		moments := f.Series.Moments(f.Devices)
		for _, m := range moments {
			if m.At > d {
				return m
			}
		}
		return moments[len(moments)-1]
	}
	state := func(m verdict.Moment, s ota.DeviceStatus) int { return m.Devices[s] }
	for _, m := range f.Series.Moments(f.Devices) {
		sum := 0
		for _, n := range m.Devices {
			sum += n
		}
		assert.Equal(t, 3, sum, m.At)
	}
	assert.LessOrEqual(t, len(f.Series.Slices), 200)
	assert.Equal(t, 3, at(0).Devices[verdict.NotArrived])
	assert.Equal(t, 2, at(time.Second).Devices[verdict.NotArrived])
	assert.Equal(t, 1, state(at(time.Second), ota.DeviceNotUpgraded))
	assert.Equal(t, 1, at(3*time.Second).Online, "a session that takes another one's place is one")
	assert.Equal(t, 1, state(at(4*time.Second), ota.DeviceUpgrading))
	assert.Equal(t, 1, at(5*time.Second).Faults)
	assert.Equal(t, 0, at(6*time.Second).Online)
	assert.Equal(t, 0, at(7*time.Second).Online, "a power cut ends a session once")
	assert.Equal(t, int64(7), at(9*time.Second).Bytes)
	end := at(time.Hour)
	assert.Equal(t, []int{1, 0, 1, 0, 0, 1}, end.Devices[:])
}

// TestLongRuns stay short: slices become one, whenever the last event comes.
func TestLongRuns(t *testing.T) {
	for _, end := range []time.Duration{0, time.Second, 2 * time.Second, time.Minute, time.Hour, scenario.MaxDuration} {
		judge := func(times ...time.Duration) *verdict.Figures {
			j := verdict.NewJudge(fleets("gw"), verdict.WithoutLogs)
			for i, at := range times {
				j.Device(0, i+1).Add(&verdict.Event{Kind: verdict.Arrived, At: at})
			}
			return j.Figures([]verdict.FleetSize{gws(10)})
		}
		f := judge(0, end/3, end/2, end)
		assert.LessOrEqual(t, len(f.Series.Slices), 200)
		if end > 2*time.Second {
			assert.Greater(t, len(f.Series.Slices), 99)
		}
		assert.Equal(t, judge(end, end/2, end/3, 0).Series, f.Series, "in any order")
		moments := f.Series.Moments(10)
		assert.Equal(t, 6, moments[len(moments)-1].Devices[verdict.NotArrived])
	}
}

func TestDistribution(t *testing.T) {
	var d, e verdict.Distribution
	assert.Zero(t, d.Count())
	assert.Zero(t, d.At(scenario.P50))
	assert.Empty(t, d.Bars(time.Second))
	d.Add(0)
	assert.Equal(t, time.Microsecond, d.At(scenario.Max))
	for i := range 100 {
		d.Add(time.Duration(i) * 100 * time.Millisecond)
	}
	e.Add(2 * scenario.MaxDuration)
	assert.Equal(t, 9900*time.Millisecond, d.At(scenario.Max))
	assert.InDelta(t, 4.9, d.At(scenario.P50).Seconds(), 0.01)
	assert.LessOrEqual(t, d.At(scenario.P999), d.At(scenario.Max), "no quantile is beyond the longest")
	bars := d.Bars(2 * time.Second)
	assert.Len(t, bars, 5)
	sum := 0
	for i, bar := range bars {
		assert.Equal(t, time.Duration(i)*2*time.Second, bar.From)
		assert.Equal(t, 2*time.Second, bar.To-bar.From)
		sum += bar.Count
	}
	assert.Equal(t, 101, sum)
	d.Merge(&e)
	assert.Equal(t, scenario.MaxDuration, d.At(scenario.Max))
	assert.Equal(t, 102, d.Count())
	e.Merge(&verdict.Distribution{})
	assert.Equal(t, 1, e.Count())
}

// TestSpans measures each span as docs/SCENARIOS.md says.
func TestSpans(t *testing.T) {
	h := newHistory().Connect("gw-000001", "gw") // 2s
	d := "gw-000001"
	h.Say(d, ota.PlanReceived)                                   // numbered 3s
	h.Answer(d, ota.ReasonBusy).Answer(d, "")                    // 5s, 6s: the first answer counts
	h.Say(d, ota.UpgradeConfirmed).Say(d, ota.ReadyToDownload)   // 7s, 9s
	h.Say(d, ota.Downloading).Say(d, ota.DownloadFailed)         // 11s, 13s: not a download
	h.Say(d, ota.ReadyToDownload)                                // 15s
	h.Say(d, ota.Downloading).Say(d, ota.DownloadSucceeded)      // 17s, 19s
	h.Say(d, ota.Upgrading).Say(d, ota.UpgradeFailed)            // 21s, 23s
	h.Say(d, ota.ReadyToDownload).Say(d, ota.Downloading)        // 25s, 27s
	h.Say(d, ota.DownloadSucceeded).Say(d, ota.Upgrading)        // 29s, 31s
	h.Say(d, ota.UpgradeSucceeded).Status(d, ota.DeviceUpgraded) // 33s, 35s
	f := figuresOf(h, gws(1))
	for span, want := range map[scenario.Span][]time.Duration{
		scenario.DecideSpan:   {2 * time.Second},
		scenario.DownloadSpan: {2 * time.Second, 2 * time.Second},
		scenario.InstallSpan:  {2 * time.Second, 2 * time.Second},
		scenario.UpgradeSpan:  {32 * time.Second},
		"":                    {32 * time.Second},
	} {
		assert.Equal(t, len(want), f.Times.Of(span).Count(), span)
		assert.Equal(t, want[0], f.Times.Of(span).At(scenario.Max), span)
	}
}

// TestFaultOutcomes counts the devices that a fault struck by where they ended.
func TestFaultOutcomes(t *testing.T) {
	h := newHistory("a", "b")
	for _, d := range []string{"gw-000001", "gw-000002"} {
		h.Connect(d, "gw")
		for range 3 {
			h.Add(verdict.Event{Kind: verdict.FaultFired, Device: d, Text: "a"})
		}
	}
	h.Upgrade("gw-000001").Connect("gw-000003", "gw").Upgrade("gw-000003")
	f := figuresOf(h, gws(3))
	assert.Equal(t, verdict.Counts{scenario.Upgraded: 1, scenario.NotUpgraded: 1}, f.Faults[0].Outcomes)
	assert.Equal(t, 2, f.Faults[0].Struck())
	assert.Equal(t, 6, f.Faults[0].Fired)
	assert.Zero(t, f.Faults[1].Struck())
}
