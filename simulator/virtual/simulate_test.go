package virtual_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

func simulate(t *testing.T, o virtual.Options) *verdict.Figures {
	t.Helper()
	f, err := virtual.Simulate(t.Context(), o)
	require.NoError(t, err)
	return f
}

func TestThousand(t *testing.T) {
	s := bundled(t, "thousand", 0)
	v := verdict.New(s, s.Seed, "virtual", simulate(t, virtual.Options{Scenario: s}))
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
	digest := func(f *verdict.Figures, seed uint64) string { return verdict.New(s, seed, "virtual", f).HistoryDigest }
	whole := simulate(t, virtual.Options{Scenario: s, Workers: 1})
	want := digest(whole, s.Seed)
	assert.Len(t, want, 64)
	assert.Equal(t, want, digest(simulate(t, virtual.Options{Scenario: s, Workers: 1}), s.Seed), "again")
	assert.Equal(t, want, digest(simulate(t, virtual.Options{Scenario: s, Workers: 3}), s.Seed), "three workers")
	assert.NotEqual(t, want, digest(simulate(t, virtual.Options{Scenario: s, Seed: 7}), 7), "another seed")

	var merged *verdict.Figures
	for i := 1; i <= 4; i++ {
		part := simulate(t, virtual.Options{Scenario: s, Shard: selection.Shard{Index: i, Of: 4}})
		if merged == nil {
			merged = part
			continue
		}
		merged.Merge(part)
	}
	assert.Equal(t, want, digest(merged, s.Seed), "four shards")
	assert.Equal(t, whole.Classes, merged.Classes)
	assert.Equal(t, whole.Reports, merged.Reports)
}

// TestOneDeviceAgain holds that a device does alone what it does among others.
func TestOneDeviceAgain(t *testing.T) {
	s := bundled(t, "thousand", 0)
	var mu sync.Mutex
	histories := map[string][]verdict.Event{}
	record := func(events []verdict.Event) error {
		mu.Lock()
		defer mu.Unlock()
		histories[events[0].Device] = append([]verdict.Event(nil), events...)
		return nil
	}
	simulate(t, virtual.Options{Scenario: s, Record: record})
	require.Len(t, histories, 1000)
	all := histories
	histories = map[string][]verdict.Event{}
	f := simulate(t, virtual.Options{Scenario: s, Record: record, Only: []string{"gateways-000123", "gateways-000777"}})
	assert.Equal(t, 2, f.Devices)
	require.Len(t, histories, 2)
	for device, events := range histories {
		assert.Equal(t, all[device], events, device)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	f, err := virtual.Simulate(ctx, virtual.Options{Scenario: bundled(t, "million", 100_000), Progress: func(int) { stop() }})
	require.ErrorIs(t, err, context.Canceled)
	assert.Less(t, f.Classes[scenario.Upgraded], 100_000)
}

// BenchmarkDevice is one device's whole upgrade of two components, with the
// faults of the bundled scenario "million".
func BenchmarkDevice(b *testing.B) {
	s := bundled(b, "million", max(1000, b.N))
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := virtual.Simulate(b.Context(), virtual.Options{Scenario: s, Workers: 1}); err != nil {
		b.Fatal(err)
	}
}

// TestRefusedOrders: what every world's platform refuses is told once.
func TestRefusedOrders(t *testing.T) {
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: refused
duration: 10m
fleet: [{name: gw, count: 3, product: p, components: [{id: app, type: module, version: "1"}]}]
plans: [{name: spring, product: p, components: [{id: app, package: full, target: "2", size: 1000}]}]
`))
	require.NoError(t, err)
	s.Events = []scenario.Event{{At: 5 * time.Second, Do: scenario.ResumePlan, Plan: "spring"}} // which no file may say
	f, err := virtual.Simulate(t.Context(), virtual.Options{Scenario: s})
	require.NoError(t, err)
	assert.Equal(t, []string{`resume_plan at 5.00s: cannot resume plan "spring": it is Upgrading`}, f.Refused)
}
