package explore_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/explore"
	"otafleet/simulator/scenario"
)

func bundled(t *testing.T) *scenario.Scenario {
	t.Helper()
	text, err := os.ReadFile("../../scenarios/explore.yaml")
	require.NoError(t, err)
	s, err := scenario.Parse("explore.yaml", text)
	require.NoError(t, err)
	return s
}

// TestNothingBreaks explores the bundled scenario.
func TestNothingBreaks(t *testing.T) {
	r, err := explore.Explore(t.Context(), explore.Options{Scenario: bundled(t)})
	require.NoError(t, err)
	t.Logf("%d outputs, %d trials, %d of them pairs, %d cuts, %d pairs left out", r.Outputs, r.Trials, r.Pairs, r.Cuts, r.Left)
	for _, f := range r.Failures {
		t.Log(f.Cuts, f.Broken)
	}
	assert.Zero(t, r.Failed)
	assert.GreaterOrEqual(t, r.Cuts, 10_000)
}
