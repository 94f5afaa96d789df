package virtual_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// bundled reads a bundled scenario, with another number of devices in its first
// fleet if one is given.
func bundled(t testing.TB, name string, devices int) *scenario.Scenario {
	t.Helper()
	text, err := os.ReadFile("../../scenarios/" + name + ".yaml")
	require.NoError(t, err)
	s, err := scenario.Parse(name, text)
	require.NoError(t, err)
	if devices > 0 {
		s.Fleets[0].Count = devices
	}
	return s
}

// simulate runs a scenario in virtual time.
func simulate(t *testing.T, o simulator.Options) *verdict.Verdict { return simulateBy(t, 0, o) }

// simulateBy does so with a number of workers.
func simulateBy(t *testing.T, workers int, o simulator.Options) *verdict.Verdict {
	t.Helper()
	v, err := simulator.Simulate(t.Context(), virtual.World{Workers: workers}, o)
	require.NoError(t, err)
	return v
}

// sink is called with the events of one device after the other.
type sink func([]verdict.Event)

func (s sink) AddEvents(events []verdict.Event) { s(events) }

// pick chooses devices of a scenario: of a shard, or by their keys.
func pick(t *testing.T, s *scenario.Scenario, shard selection.Shard, only ...string) *selection.Selection {
	t.Helper()
	x, err := selection.New(s, shard, only)
	require.NoError(t, err)
	return x
}

func TestThousand(t *testing.T) {
	s := bundled(t, "thousand", 0)
	v := simulate(t, simulator.Options{Scenario: s})
	assert.True(t, v.Held)
	for _, e := range v.Expectations {
		assert.True(t, e.Held, "%s: %s", e.Name, e.Measured)
	}
	assert.Equal(t, 1000, v.Figures.Devices)
}

// TestSameHistory holds that neither the number of workers nor shards change
// anything, and that another seed does.
func TestSameHistory(t *testing.T) {
	s := bundled(t, "million", 3000)
	all := simulator.Options{Scenario: s}
	whole := simulateBy(t, 1, all)
	want := whole.HistoryDigest
	assert.Len(t, want, 64)
	assert.Equal(t, want, simulateBy(t, 1, all).HistoryDigest, "again")
	assert.Equal(t, want, simulateBy(t, 3, all).HistoryDigest, "three workers")
	assert.NotEqual(t, want, simulate(t, simulator.Options{Scenario: s, Seed: 7}).HistoryDigest, "another seed")

	var merged *verdict.Figures
	for i := 1; i <= 4; i++ {
		part := simulate(t, simulator.Options{Scenario: s, Devices: pick(t, s, selection.Shard{Index: i, Of: 4})}).Figures
		if merged == nil {
			merged = part
			continue
		}
		merged.Merge(part)
	}
	assert.Equal(t, want, verdict.New(s, s.Seed, "virtual", merged).HistoryDigest, "four shards")
	assert.Equal(t, whole.Figures.Classes, merged.Classes)
	assert.Equal(t, whole.Figures.Reports, merged.Reports)
}

// TestOneDeviceAgain holds that a device does alone what it does among others.
func TestOneDeviceAgain(t *testing.T) {
	s := bundled(t, "thousand", 0)
	var mu sync.Mutex
	histories := map[string][]verdict.Event{}
	record := sink(func(events []verdict.Event) {
		mu.Lock()
		defer mu.Unlock()
		histories[events[0].Device] = append([]verdict.Event(nil), events...)
	})
	simulate(t, simulator.Options{Scenario: s, History: record})
	require.Len(t, histories, 1000)
	all := histories
	histories = map[string][]verdict.Event{}
	chosen := pick(t, s, selection.Shard{}, "gateways-000123", "gateways-000777")
	v := simulate(t, simulator.Options{Scenario: s, History: record, Devices: chosen})
	assert.Equal(t, 2, v.Figures.Devices)
	assert.True(t, v.Figures.Chosen)
	assert.Equal(t, "2 chosen devices only", v.Part)
	require.Len(t, histories, 2)
	for device, events := range histories {
		assert.Equal(t, all[device], events, device)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var run simulator.Run
	v, err := simulator.Simulate(ctx, virtual.World{}, simulator.Options{Scenario: bundled(t, "million", 100_000),
		Started: func(r simulator.Run) { run = r }, History: sink(func([]verdict.Event) { stop() })})
	require.NoError(t, err)
	assert.True(t, v.Interrupted)
	assert.Less(t, v.Figures.Classes[scenario.Upgraded], 100_000)
	assert.Equal(t, 100_000, run.Snapshot().Devices)
	assert.InDelta(t, 50_000, run.Snapshot().Ended, 49_999)
}

// BenchmarkDevice is one device's whole upgrade of two components, with the
// faults of the bundled scenario "million".
func BenchmarkDevice(b *testing.B) {
	s := bundled(b, "million", max(1000, b.N))
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := simulator.Simulate(b.Context(), virtual.World{Workers: 1}, simulator.Options{Scenario: s}); err != nil {
		b.Fatal(err)
	}
}

// TestRefusedOrders: what every world's platform refuses is reported once.
func TestRefusedOrders(t *testing.T) {
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: refused
duration: 10m
fleet: [{name: gw, count: 3, product: p, components: [{id: app, type: module, version: "1"}]}]
plans: [{name: spring, product: p, components: [{id: app, package: full, target: "2", size: 1000}]}]
`))
	require.NoError(t, err)
	s.Events = []scenario.Event{{At: 5 * time.Second, Do: scenario.ResumePlan, Plan: "spring"}} // which no file may say
	v := simulate(t, simulator.Options{Scenario: s})
	assert.Equal(t, []string{`resume_plan at 5.00s: cannot resume plan "spring": it is Upgrading`}, v.Figures.Refused)
}
