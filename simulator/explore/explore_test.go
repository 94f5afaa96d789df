package explore_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/explore"
	"otafleet/simulator/scenario"
	"otafleet/simulator/virtual"
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
	t.Logf("%d outputs, %d trials, %d of them pairs, %d cuts, %d pairs left out", r.Outputs, r.Trials, r.Pairs, r.Cuts,
		r.Left)
	for _, f := range r.Failures {
		t.Log(f.Cuts, f.Broken)
	}
	assert.Zero(t, r.Failed)
	assert.GreaterOrEqual(t, r.Cuts, 10_000)
}

// TestCutsThatCannotBe are refused: a trial without its trouble would hold.
func TestCutsThatCannotBe(t *testing.T) {
	const device = "gateways-000001"
	options := explore.Options{Scenario: bundled(t)}
	for cuts, want := range map[string]string{
		device + ":99999:power-before": "there is no output 99999: in this trial " + device +
			" has ",
		device + ":0:power-before," + device + ":99999:drop-after": "there is no output 99999",
		device + ":5:power-before," + device + ":5:drop-after": "output 5 of " + device +
			" has two troubles, power-before and drop-after: want one",
		"gateways-000099:1:power-before":                        "the scenario has no device gateways-000099",
		device + ":1:power-before,gateways-000099:1:drop-after": "device gateways-000099 is not in one world with " + device,
	} {
		parsed, err := explore.ParseCuts(cuts)
		require.NoError(t, err)
		_, err = explore.Replay(options, parsed)
		assert.ErrorContains(t, err, want, cuts)
	}

	whole, err := explore.Replay(options, []explore.Cut{{Device: device, Output: 0, Trouble: virtual.PowerAfter}})
	require.NoError(t, err)
	refused := 0
	for i := range whole.Steps {
		if step := &whole.Steps[i]; step.Device == device && step.Output > 0 {
			cut := []explore.Cut{{Device: device, Output: 0, Trouble: virtual.PowerAfter},
				{Device: device, Output: step.Output, Trouble: virtual.FailWrite}}
			if _, err := explore.Replay(options, cut); err != nil {
				assert.ErrorContains(t, err, "writes nothing, so no write can fail: it is to ")
				refused++
			}
		}
	}
	assert.Positive(t, refused)
	assert.Less(t, refused, len(whole.Steps))
}
