package catalogue_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/scenarios"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// few is how many devices are enough to see an expectation fail.
func few() map[string]int {
	return map[string]int{"hundred-thousand": 300, "million": 1000, "soak-week": 10, "ten-thousand": 300, "thousand": 300}
}

// TestEveryExpectationCanFail spoils the world of each scenario in one way after
// the other, until every expectation has been seen to fail, a rule not for want of
// an occasion. One that never does proves nothing, and neither does a mutation that
// no expectation needs.
func TestEveryExpectationCanFail(t *testing.T) {
	var (
		mu     sync.Mutex // guards the following
		useful = map[string]bool{}
		done   int
	)
	t.Cleanup(func() {
		if done < len(scenarios.Names()) {
			return // only some were asked for
		}
		for _, m := range mutations() {
			assert.True(t, useful[m.name], "no expectation needs the mutation: %s", m.name)
		}
	})
	each(t, func(t *testing.T, name string) {
		broke := breakAll(t, name)
		mu.Lock()
		defer mu.Unlock()
		done++
		for _, mutation := range broke {
			useful[mutation] = true
		}
	})
}

// breakAll tries mutations until every expectation of a scenario has failed, and
// names those that it needed.
func breakAll(t *testing.T, name string) (needed []string) {
	t.Helper()
	expected := mutated(t, name, mutation{})
	rules := map[string]bool{}
	for _, r := range parse(t, name).Expect.Rules {
		rules[r.Name] = true
	}
	left := map[int]bool{}
	for i := range expected {
		left[i] = true
		require.True(t, expected[i].Held, "%s: %s", expected[i].Name, expected[i].Measured)
	}
	for _, m := range mutations() {
		if len(left) == 0 {
			break
		}
		before := len(left)
		for i, e := range mutated(t, name, m) {
			if left[i] && !e.Held && (e.Occasions > 0 || !rules[e.Name]) {
				t.Logf("%s: %s, since %s", e.Name, e.Measured, m.name)
				delete(left, i)
			}
		}
		if len(left) < before {
			needed = append(needed, m.name)
		}
	}
	for i := range left {
		assert.Fail(t, "no mutation of the world breaks an expectation", expected[i].Name)
	}
	return needed
}

// mutated runs a scenario in the mutated world, and judges it by what it expects
// of its own.
func mutated(t *testing.T, name string, m mutation) []verdict.Expectation {
	t.Helper()
	world, own := parse(t, name), parse(t, name)
	for _, s := range []*scenario.Scenario{world, own} {
		if n, is := few()[name]; is {
			s.Fleets[0].Count = n
		}
	}
	if m.world != nil {
		m.world(world)
	}
	trials, err := virtual.NewTrials(world, "", own.Seed)
	if err != nil && m.world != nil && own.Platform != "" {
		return nil // its dialect has no words for that world
	}
	require.NoError(t, err)
	judge := verdict.NewJudge(own, verdict.WithoutLogs)
	for i := range trials.Worlds() {
		for _, o := range trials.Play(i, nil, m.mind) {
			for _, e := range o.Events {
				judge.Add(e)
			}
		}
	}
	figures := judge.Figures(verdict.Sizes(own))
	for i := range verdict.MemorySamples {
		figures.Memory = append(figures.Memory, verdict.MemorySample{
			At: own.Duration * time.Duration(2*i+1) / (2 * verdict.MemorySamples), Bytes: level() + m.leaks*int64(i)})
	}
	return verdict.Expect(own, figures)
}
