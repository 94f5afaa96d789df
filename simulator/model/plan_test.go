package model_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
)

// TestPlanKeepsItsTimes: a run may begin in the middle of a second. Its plan ends
// when the scenario says, and its clock shows midnight, to the second.
func TestPlanKeepsItsTimes(t *testing.T) {
	s := &scenario.Scenario{Duration: time.Minute}
	began := time.Date(2026, 7, 3, 14, 25, 36, 700_000_000, time.UTC)
	spec := model.PlanSpec(s, &scenario.Plan{Name: "spring", Ends: 2 * time.Second}, began, nil)
	assert.Equal(t, began.Add(2*time.Second), spec.End)
	assert.True(t, spec.Start.Before(began))
	assert.Equal(t, "00:00:00", began.In(spec.Zone).Format(time.TimeOnly))

	spec = model.PlanSpec(s, &scenario.Plan{Name: "spring"}, began, nil)
	assert.True(t, spec.End.After(began.Add(s.Duration)), "a run that ends by its own clock does not end the plan's")
}
