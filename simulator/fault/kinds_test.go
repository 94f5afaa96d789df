package fault_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// TestEveryKindStrikesAtEveryPlace holds that a fault strikes exactly as often
// as it says, tells each time that it fired, and leaves the device alone
// afterwards. It fails for a kind that the language has and no fault.
func TestEveryKindStrikesAtEveryPlace(t *testing.T) {
	for _, row := range scenario.Kinds() {
		for _, at := range row.Places {
			t.Run(fmt.Sprint(row.Kind, " at ", at), func(t *testing.T) {
				strikes := 3
				if !row.Takes(scenario.ParamTimes) {
					strikes = 1
				}
				b := newBench(t, scenario.Fault{Kind: row.Kind, At: at, Times: times(strikes),
					Status: http.StatusServiceUnavailable,
					By:     scenario.Range[time.Duration]{Lo: time.Second, Hi: scenario.MaxSkew}})
				left := strikes
				if at == scenario.AtBoot || row.Kind == scenario.NeverOnline {
					b.wait() // the first boot has come
					assert.NotZero(t, body(b)[row.Kind]())
					left--
				}
				want := append(slices.Repeat([]bool{true}, left), false, false)
				assert.Equal(t, want, b.strikes(len(want), func() bool { return suffer(b, row.Kind, at) }))
				assert.Equal(t, strikes, b.fired)
			})
		}
	}
}

// TestOnlyItsPlace holds that a fault at one status does not strike at another.
func TestOnlyItsPlace(t *testing.T) {
	always := []scenario.Place{scenario.AtBoot, scenario.AtReport} // there is a boot, and every status is reported
	for _, kind := range []scenario.Kind{scenario.Drop, scenario.PowerCut} {
		row, _ := kind.Row()
		for _, at := range row.Places {
			if slices.Contains(always, at) {
				continue
			}
			b := newBench(t, scenario.Fault{Kind: kind, At: at})
			for _, other := range row.Places {
				if other != at && !slices.Contains(always, other) {
					assert.False(t, suffer(b, kind, other), "%s at %s struck at %s", kind, at, other)
				}
			}
			assert.True(t, suffer(b, kind, at))
			assert.Equal(t, 1, b.fired)
		}
	}
}

func TestOnlyItsComponent(t *testing.T) {
	for _, row := range scenario.Kinds() {
		if !row.Takes(scenario.ParamComponent) {
			continue
		}
		for _, at := range row.Places {
			if at == scenario.AtConnect || at == scenario.AtBoot || (&scenario.Fault{Kind: row.Kind, At: at}).OfPlatform() {
				continue // no component is in work there
			}
			t.Run(fmt.Sprint(row.Kind, " at ", at), func(t *testing.T) {
				other := "motor"
				if row.Kind == scenario.SilentMCU {
					other = "app"
				}
				b := newBench(t, scenario.Fault{Kind: row.Kind, At: at, Component: other, Status: http.StatusNotFound})
				assert.False(t, suffer(b, row.Kind, at), "app")
				assert.Zero(t, b.fired)
			})
		}
	}
	b := newBench(t, scenario.Fault{Kind: scenario.Unhealthy, At: scenario.AtHealth, Component: "motor"})
	b.busy = "motor"
	assert.True(t, suffer(b, scenario.Unhealthy, scenario.AtHealth))
}

func TestDelayAndLength(t *testing.T) {
	upgrading := scenario.At(ota.Upgrading)
	tests := []struct {
		name  string
		fault scenario.Fault
		delay time.Duration
	}{
		{"at once", scenario.Fault{At: upgrading}, 0},
		{"after a time", scenario.Fault{At: upgrading, After: delayed(3 * time.Second)}, 3 * time.Second},
		{"after a share", scenario.Fault{At: upgrading, After: share(25)}, 2 * time.Second},
		{"after the boot", scenario.Fault{At: scenario.AtBoot, After: delayed(time.Second)}, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.Kind, tt.fault.For = scenario.PowerCut, lasting(30*time.Second)
			b := newBench(t, tt.fault)
			b.install = 8 * time.Second
			if tt.fault.At == upgrading {
				b.report("app", ota.Upgrading)
			}
			assert.Zero(t, b.fired, "it strikes later")
			assert.Equal(t, []time.Duration{tt.delay}, b.wait())
			assert.Equal(t, []time.Duration{30 * time.Second}, b.cuts)
			assert.Equal(t, 1, b.fired)
		})
	}
}

// TestRefusal spoils the reading that the reason is about, until the time is
// up, over a restart of the device.
func TestRefusal(t *testing.T) {
	spoilt := map[ota.Reason]agent.Readings{
		ota.ReasonBattery: {Battery: new(0)},
		ota.ReasonSignal:  {Battery: new(80), RSSI: new(-150)},
		ota.ReasonSpace:   {Battery: new(80), FreeBytes: new(int64(0))},
		ota.ReasonBusy:    {Battery: new(80), Busy: true},
	}
	for _, reason := range scenario.Reasons() {
		b := newBench(t, scenario.Fault{Kind: scenario.Refuse, At: scenario.At(ota.PlanReceived), Reason: reason,
			For: lasting(time.Second)})
		read := func() agent.Readings { return b.hooks.Sensors.Read(t.Context()) }
		healthy := agent.Readings{Battery: new(80)}
		assert.Equal(t, healthy, read())
		b.arrivePackage("app")
		assert.Equal(t, healthy, read(), "only a plan counts")
		b.arrivePlan()
		assert.Equal(t, spoilt[reason], read(), reason)
		b.boot()
		assert.Equal(t, spoilt[reason], read(), reason)
		assert.Zero(t, b.looks)
		assert.Equal(t, []time.Duration{time.Second}, b.wait())
		assert.Equal(t, healthy, read())
		assert.Equal(t, 1, b.looks, "the agent must learn of it")
		assert.Len(t, b.delivered, 2, "the plan reaches the device all the same")
	}
}

// TestRestartsDoNotBringItBack holds that neither the strikes that are left nor
// those done depend on the device's memory.
func TestRestartsDoNotBringItBack(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.PowerCut, At: scenario.At(ota.Upgrading), Times: times(2)})
	for range 4 {
		come(b, scenario.At(ota.Upgrading))
		b.boot()
	}
	assert.Len(t, b.cuts, 2)
	assert.Equal(t, 2, b.fired)
}

// TestTheReportStillLeaves: what is cut before a report is the line, not the
// agent's will to send it.
func TestTheReportStillLeaves(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.Drop, At: scenario.AtReport, Component: "app"})
	b.hooks.Link.Send(&ota.Inventory{})
	b.hooks.Link.Send(&ota.Report{Component: "motor"})
	assert.Empty(t, b.drops)
	b.hooks.Link.Send(&ota.Report{Component: "app"})
	assert.Len(t, b.drops, 1)
	assert.Len(t, b.sent, 3)
}
