package virtual_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// TestQuecThingIsRepeated holds that devices that speak quecthing's dialect do the same
// for the same seed, as others do.
func TestQuecThingIsRepeated(t *testing.T) {
	s := bundled(t, "bad-line", 0)
	all := simulator.Options{Scenario: s, Dialect: model.QuecThing}
	want := simulateBy(t, 1, all).HistoryDigest
	assert.Equal(t, want, simulateBy(t, 1, all).HistoryDigest, "again")
	assert.Equal(t, want, simulateBy(t, 3, all).HistoryDigest, "three workers")
	assert.NotEqual(t, want, simulate(t, simulator.Options{Scenario: s}).HistoryDigest, "another dialect")
	var merged *verdict.Figures
	for i := 1; i <= 3; i++ {
		part := simulate(t, simulator.Options{Scenario: s, Dialect: model.QuecThing,
			Devices: pick(t, s, selection.Shard{Index: i, Of: 3})}).Figures
		if merged == nil {
			merged = part
			continue
		}
		merged.Merge(part)
	}
	assert.Equal(t, want, verdict.New(s, s.Seed, "virtual", merged).HistoryDigest, "three shards")
}

// TestQuecThingEndsAsNative holds that devices end in the same classes, whichever
// dialect they speak. Left out is what quecthing has no words for, and what is different
// there: an address that has expired is a failed download, which costs one of the plan's
// retries (expired-addresses, long-download), and a device that finds no broker six
// times rests for half an hour (half-open).
func TestQuecThingEndsAsNative(t *testing.T) {
	for _, name := range []string{"bad-flash", "bad-line", "broker-outage", "busy-storage", "corrupt-mirror", "crash",
		"never-online", "partition", "plan-terminated", "platform-restart", "reconnect-storm", "refusals",
		"retry-after-failure", "store-outage", "unhealthy", "vanish", "wrong-version"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bundled(t, name, 0)
			native, framed := simulate(t, simulator.Options{Scenario: s}),
				simulate(t, simulator.Options{Scenario: s, Dialect: model.QuecThing})
			assert.Equal(t, native.Figures.Classes, framed.Figures.Classes)
			assert.Zero(t, framed.Figures.Violations, framed.Figures.FirstViolations())
			assert.Zero(t, framed.Figures.Reports.Lost)
		})
	}
}

// TestWhatQuecThingCannotSay is refused before anything runs.
func TestWhatQuecThingCannotSay(t *testing.T) {
	_, err := simulator.Simulate(t.Context(), virtual.World{},
		simulator.Options{Scenario: bundled(t, "gateway", 0), Dialect: model.QuecThing})
	require.ErrorContains(t, err, "behind: quecthing's sub-devices are not published")
}
