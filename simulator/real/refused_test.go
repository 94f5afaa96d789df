package real_test

import (
	"sync"
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

// TestRefusedOrdersAreReported: an event that the platform refuses, since its plan has
// come to another state meanwhile, is in the verdict, and so in what is kept of the
// run.
func TestRefusedOrdersAreReported(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: refused
duration: 60s
fleet: [{name: gw, count: 1, product: p, components: [{id: app, type: module, version: "1"}]}]
plans: [{name: spring, product: p, components: [{id: app, package: full, target: "2", size: 1000}]}]
events:
  - {at: 3s, do: suspend_plan, plan: spring}
`))
	require.NoError(t, err)
	var operator sync.WaitGroup
	v, err := simulator.Simulate(t.Context(), &real.World{Serving: func(_ string, p *platform.Service) {
		operator.Go(func() { // as the page would, once the plan is there and active
			for p.Command(engine.Terminate{Plan: "spring"}) != nil && t.Context().Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
		})
	}}, simulator.Options{Scenario: s})
	operator.Wait()
	require.NoError(t, err)
	require.Len(t, v.Figures.Refused, 1)
	assert.Regexp(t, `^suspend_plan at \d.*s: cannot suspend plan "spring": it is Forced Terminated$`,
		v.Figures.Refused[0])
}
