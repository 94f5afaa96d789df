package real_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
)

// TestRounds: a plan comes again and again, and the platform keeps no more of it than the
// last rounds.
func TestRounds(t *testing.T) {
	t.Parallel()
	s := parse(t, edit(t, "duration: 20m", "duration: 50s"))
	s.Windows = 5 * time.Second
	// On a machine that does much else, the devices have long for the last round.
	s.Plans[0].Repeat = &scenario.Repeat{Every: 5 * time.Second, Rounds: 6, Versions: scenario.Alternate}
	var fake atomic.Pointer[platform.Service]
	most := 0
	world := &real.World{Serving: func(_ string, p *platform.Service) { fake.Store(p) }}
	v, err := simulator.Simulate(t.Context(), world, simulator.Options{Scenario: s, Memory: func() int64 {
		fake.Load().View(func(e *engine.Engine) { most = max(most, len(e.Plans())) })
		return 1
	}})
	require.NoError(t, err)
	checkSums(t, v)
	assert.Empty(t, v.Figures.Refused)
	assert.Equal(t, 20, v.Figures.Classes[scenario.Upgraded])
	assert.Equal(t, map[string]int{"upgraded": 20}, v.Figures.Beliefs["spring"])
	assert.GreaterOrEqual(t, v.Figures.Times.Upgrade.Count(), 40, "a device that is slow may miss a round")
	assert.Less(t, most, 6, "all but the last two, and those of devices that are slow, are forgotten")
	assert.NotEmpty(t, v.Figures.Memory)
	assert.GreaterOrEqual(t, len(v.Figures.Windows.Rolling(s, 20)), 4)
}
