package explore_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/explore"
	"otafleet/simulator/model"
)

// TestHawkBit: also where the platform is polled, every device ends well whatever
// happens at whichever output.
func TestHawkBit(t *testing.T) {
	r, err := explore.Explore(t.Context(), explore.Options{Scenario: bundled(t), Dialect: model.HawkBit,
		Pairs: -1})
	require.NoError(t, err)
	t.Logf("%d outputs, %d trials, %d cuts", r.Outputs, r.Trials, r.Cuts)
	assert.Greater(t, r.Outputs, 50)
	assert.Greater(t, r.Cuts, r.Trials/2)
	assert.Zero(t, r.Failed)
	for i := range r.Failures {
		t.Errorf("%v: %v", r.Failures[i].Cuts, r.Failures[i].Broken)
	}
}
