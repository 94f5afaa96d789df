package explore_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/explore"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
)

const module = `
scenario: module
duration: 2h
fleet:
  - name: modules
    count: 1
    product: gw-200
    components: [{id: cell, type: module, version: V1.0.0}, {id: motor, type: mcu, version: 3_0}]
    link: {latency: 20ms}
    install: {time: 2s, restart: system}
plans:
  - name: spring
    product: gw-200
    components:
      - {id: cell, package: full, target: V1.1.0, size: 64KiB, chunk: 16KiB}
      - {id: motor, package: full, target: 3_1, size: 64KiB, chunk: 16KiB}
`

// TestQuecThing: a module ends well, whatever goes wrong at whichever output, where the
// platform loses statuses and knows no numbers of reports.
func TestQuecThing(t *testing.T) {
	s, err := scenario.Parse("module.yaml", []byte(module))
	require.NoError(t, err)
	r, err := explore.Explore(t.Context(), explore.Options{Scenario: s, Dialect: model.QuecThing, Pairs: 500})
	require.NoError(t, err)
	for _, f := range r.Failures {
		t.Log(f.Cuts, f.Broken)
	}
	assert.Zero(t, r.Failed)
	assert.GreaterOrEqual(t, r.Trials, 500)
}
