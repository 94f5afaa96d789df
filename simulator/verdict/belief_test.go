package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// TestBeliefs counts devices by what the platform calls them, and what it has never
// said anything of as not upgraded.
func TestBeliefs(t *testing.T) {
	h := newHistory().Connect("gw-000001", "gw").Upgrade("gw-000001").Connect("gw-000002", "gw").
		Status("gw-000002", ota.DeviceUpgrading).Connect("gw-000003", "gw").Event(verdict.Mistaken, "gw-000003")
	f := figuresOf(h, gws(10))
	assert.Equal(t, map[string]int{"upgraded": 1, "upgrading": 1, "not_upgraded": 1}, f.Beliefs[""])
	assert.Equal(t, 1, f.Mistaken)
	s := fleets("gw")
	equal := func(b scenario.Belief, n float64) scenario.PlatformExpectation {
		return scenario.PlatformExpectation{Belief: b, Comparison: scenario.Comparison{Op: scenario.Equal, Value: n}}
	}
	s.Expect.Platform = []scenario.PlatformExpectation{equal("upgraded", 1), equal("not_upgraded", 8),
		equal(scenario.Open, 9), equal(scenario.Mistaken, 1)}
	for _, e := range verdict.Expect(s, f)[3:] {
		assert.True(t, e.Held, "%s: %s", e.Name, e.Measured)
	}
}
