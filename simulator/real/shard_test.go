package real_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// faulty has faults of both kinds of draw, each a device's own matter.
const faulty = base + `
faults:
  - {name: wrong, at: downloading, do: corrupt, chance: 50%, times: 1..3}
  - {name: broken, at: downloading, do: http_status, exactly: 30%, times: 1..2}
`

// play runs a part of a scenario.
func play(t *testing.T, s *scenario.Scenario, devices *selection.Selection) *verdict.Verdict {
	t.Helper()
	v, err := simulator.Simulate(t.Context(), &real.World{}, simulator.Options{Scenario: s, Devices: devices})
	require.NoError(t, err)
	checkSums(t, v)
	return v
}

// struck adds what was drawn and what fired.
func struck(all ...*verdict.Verdict) (counts [2][2]int) {
	for _, v := range all {
		for i, f := range v.Figures.Faults {
			counts[i][0] += f.Drawn
			counts[i][1] += f.Fired
		}
	}
	return counts
}

// TestShardsMakeUpTheRun: three processes draw together what one would, and each
// judges its own devices only.
func TestShardsMakeUpTheRun(t *testing.T) {
	t.Parallel()
	s := parse(t, faulty)
	whole := play(t, s, nil)
	assert.Equal(t, 6, struck(whole)[1][0], "exactly 30% of 20")
	var parts []*verdict.Verdict
	for i := 1; i <= 3; i++ {
		v := play(t, s, pick(t, s, selection.Shard{Index: i, Of: 3}))
		held(t, v)
		assert.Equal(t, []int{7, 7, 6}[i-1], v.Figures.Devices)
		parts = append(parts, v)
	}
	assert.Equal(t, struck(whole), struck(parts...))
}

// TestOnlyOneDevice runs by itself a device that a fault was drawn for.
func TestOnlyOneDevice(t *testing.T) {
	t.Parallel()
	s := parse(t, faulty)
	v := play(t, s, pick(t, s, selection.Shard{}, "gw-000002"))
	held(t, v)
	assert.Equal(t, 1, v.Figures.Devices)
	assert.Equal(t, 1, v.Figures.Fleets[0].Count)
	again := play(t, s, pick(t, s, selection.Shard{}, "gw-000002"))
	assert.Equal(t, struck(v), struck(again))
}
