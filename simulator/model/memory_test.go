package model_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
)

// TestNumbersAreForgotten: a device that has had two hundred plans holds the numbers of as
// many as one that has had twenty, and of none too few.
func TestNumbersAreForgotten(t *testing.T) {
	app := scenario.Installed{ComponentVersion: ota.ComponentVersion{ID: "app"}}
	m := model.NewMemory(&scenario.Fleet{Components: []scenario.Installed{app}}, 1)
	plan := func(n int) string { return fmt.Sprint("hourly.", n) }
	report := func(n, seq int) ota.Report {
		return ota.Report{Plan: plan(n), Component: "app", Seq: seq, Status: ota.PlanReceived}
	}
	held := func(plans int) (count int) {
		for n := range plans {
			count += min(1, m.Numbered(plan(n)))
		}
		return count
	}
	var runs []*agent.Run
	after := map[int]int{}
	for n := range 200 {
		runs = append(runs, &agent.Run{Plan: &ota.Plan{ID: plan(n)}})
		s := &agent.State{Run: runs[n], Past: runs[max(0, n-agent.MaxPast):n],
			Reports: []ota.Report{report(0, 1), report(n, 2), report(n, 3)}} // the first one is never acknowledged
		assert.Contains(t, m.Save(s), &s.Reports[2])
		assert.Empty(t, m.Save(s), "they are not new any more")
		assert.Equal(t, 3, m.Numbered(plan(n)))
		assert.NotZero(t, m.Numbered(plan(0)))
		after[n+1] = held(n + 1)
	}
	assert.Equal(t, after[20], after[200])
	assert.Equal(t, 1+agent.MaxPast+1, after[200])
}
