package virtual_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// isRepeated holds that devices that speak a dialect do the same for the same seed:
// again, by several workers, and in shards.
func isRepeated(t *testing.T, s *scenario.Scenario, d model.Dialect) {
	t.Helper()
	all := simulator.Options{Scenario: s, Dialect: d}
	want := simulateBy(t, 1, all).HistoryDigest
	assert.Equal(t, want, simulateBy(t, 1, all).HistoryDigest, "again")
	assert.Equal(t, want, simulateBy(t, 3, all).HistoryDigest, "three workers")
	assert.NotEqual(t, want, simulate(t, simulator.Options{Scenario: s}).HistoryDigest, "another dialect")
	var merged *verdict.Figures
	for i := 1; i <= 3; i++ {
		part := simulate(t, simulator.Options{Scenario: s, Dialect: d,
			Devices: pick(t, s, selection.Shard{Index: i, Of: 3})}).Figures
		if merged == nil {
			merged = part
			continue
		}
		merged.Merge(part)
	}
	assert.Equal(t, want, verdict.New(s, s.Seed, "virtual", merged).HistoryDigest, "three shards")
}

// endAsNative holds that devices of bundled scenarios end in the same classes in a
// dialect as natively, and that no report is lost.
func endAsNative(t *testing.T, d model.Dialect, names ...string) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bundled(t, name, 0)
			native, other := simulate(t, simulator.Options{Scenario: s}), simulate(t, simulator.Options{Scenario: s, Dialect: d})
			assert.Equal(t, native.Figures.Classes, other.Figures.Classes)
			assert.Zero(t, other.Figures.Violations, other.Figures.FirstViolations())
			assert.Zero(t, other.Figures.Reports.Lost)
		})
	}
}
