package verdict_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/verdict"
)

// TestLogs keeps the last sixty events, and counts what came before. Chunks that
// follow one another are one line.
func TestLogs(t *testing.T) {
	events := []verdict.Event{{Kind: verdict.Arrived}}
	for i := range 5 {
		events = append(events, verdict.Event{At: time.Duration(i+1) * time.Second, Kind: verdict.Downloaded, N: 100})
	}
	for i := range 100 {
		events = append(events, verdict.Event{At: time.Duration(10+i) * time.Second, Kind: verdict.Disconnected, Seq: i})
	}
	for keep, count := range map[string]int{"short": 20, "just full": 60, "long": len(events)} {
		t.Run(keep, func(t *testing.T) {
			j := verdict.NewJudge(fleets("gw"), verdict.WithLogs)
			again := &verdict.DeviceRecord{}
			for i := range events[:count] {
				j.Device(0, 1).Add(&events[i])
				again.Remember(&events[i])
			}
			failed := j.Figures([]verdict.FleetSize{gws(1)}).Failed()
			require.Len(t, failed, 1)
			lines := count - 4 // five chunks are one
			r := failed[0]
			assert.Len(t, r.Log, min(60, lines))
			assert.Equal(t, max(0, lines-60), r.Earlier)
			assert.Equal(t, events[count-1], r.Log[len(r.Log)-1])
			if lines <= 60 {
				assert.Equal(t, verdict.Event{At: 5 * time.Second, Kind: verdict.Downloaded, N: 500}, r.Log[1])
			}
			assert.Equal(t, r.Log, again.Log, "a history read again gives the same log")
			assert.Equal(t, r.Earlier, again.Earlier)
		})
	}
	unknown := &verdict.DeviceRecord{}
	unknown.Remember(&events[1])
	assert.Empty(t, unknown.Log, "nothing is known of a device before it arrives")
}

// TestRecords say what is worth knowing of a device.
func TestRecords(t *testing.T) {
	h := newHistory("brown-out", "other").Connect("gw-000003", "gw").Say("gw-000003", ota.PlanReceived).
		Say("gw-000003", ota.UpgradeFailed)
	h.Status("gw-000003", ota.DeviceUpgradeFailed).
		Add(verdict.Event{Kind: verdict.FaultFired, Device: "gw-000003", Text: "brown-out"})
	h.Add(verdict.Event{Kind: verdict.Violation, Device: "gw-000002", Text: "unseen"}) // it has not arrived
	h.Connect("gw-000002", "gw").Answer("gw-000002", ota.ReasonBusy).Connect("gw-000004", "gw").Upgrade("gw-000004")
	h.Connect("gw-000005", "gw").Upgrade("gw-000005").
		Add(verdict.Event{Kind: verdict.Violation, Device: "gw-000005", Text: "smoke"})
	f := figuresOf(h, gws(5))
	var order []string
	for _, r := range f.Failed() {
		order = append(order, r.Device)
	}
	assert.Equal(t, []string{"gw-000005", "gw-000003", "gw-000002"}, order)
	r := f.Failed()[1]
	assert.Equal(t, []verdict.ComponentEnd{{Component: "app", Status: ota.UpgradeFailed, Code: "health_check_failed"}},
		r.Components)
	assert.Equal(t, []string{"brown-out"}, r.Faults)
	assert.Equal(t, "busy", f.Failed()[2].Refused)
	assert.Equal(t, []string{"smoke"}, f.Failed()[0].Violations)
	assert.Equal(t, 16*time.Second, f.Failed()[0].Took)
	assert.Len(t, f.Slowest(), 2)
	assert.Equal(t, map[string]int{"busy": 1}, f.Refusals)
	assert.Equal(t, map[string]int{"health_check_failed": 1}, f.Codes)
}
