package ota_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

func TestConditionsOfTwo(t *testing.T) {
	weak := ota.Conditions{MinBattery: new(20), MinRSSI: new(-95), Space: 1}
	strong := ota.Conditions{MinBattery: new(30), MinRSSI: new(-90), Space: 2}
	assert.Equal(t, strong, weak.With(strong))
	assert.Equal(t, strong, strong.With(weak))
	assert.Equal(t, weak, weak.With(ota.Conditions{}))
	assert.Equal(t, weak, ota.Conditions{}.With(weak))
	assert.Equal(t, ota.Conditions{MinBattery: new(0), MinRSSI: new(-90)},
		ota.Conditions{MinBattery: new(0)}.With(ota.Conditions{MinRSSI: new(-90)}))
}

// A plan is the same whenever it is sent, and another one as soon as it asks for
// something else.
func TestSamePlan(t *testing.T) {
	battery := 30
	plan := func() *ota.Plan {
		again := battery
		return &ota.Plan{Time: time.Now(), ID: "p", Name: "spring", Attempt: 1, Mode: ota.Silent,
			Ends: time.Unix(1800000000, 0), OnFailure: ota.Stop,
			Conditions: ota.Conditions{MinBattery: &again, Space: 7},
			Components: []ota.PlanComponent{{ID: "app", Type: ota.Module, Package: ota.Full, Sources: []string{"1"},
				Target: "2", Size: 9}}}
	}
	assert.True(t, plan().Same(plan()))
	for name, change := range map[string]func(*ota.Plan){
		"id": func(p *ota.Plan) { p.ID = "q" }, "name": func(p *ota.Plan) { p.Name = "" },
		"attempt": func(p *ota.Plan) { p.Attempt++ },
		"mode":    func(p *ota.Plan) { p.Mode = ota.Manual }, "ends": func(p *ota.Plan) { p.Ends = p.Ends.Add(1) },
		"on_failure": func(p *ota.Plan) { p.OnFailure = ota.Revert },
		"battery":    func(p *ota.Plan) { *p.Conditions.MinBattery++ },
		"no battery": func(p *ota.Plan) { p.Conditions.MinBattery = nil },
		"rssi":       func(p *ota.Plan) { p.Conditions.MinRSSI = &battery },
		"space":      func(p *ota.Plan) { p.Conditions.Space++ },
		"component":  func(p *ota.Plan) { p.Components[0].ID = "lib" },
		"type":       func(p *ota.Plan) { p.Components[0].Type = ota.MCU },
		"package":    func(p *ota.Plan) { p.Components[0].Package = ota.Delta },
		"sources":    func(p *ota.Plan) { p.Components[0].Sources = nil },
		"target":     func(p *ota.Plan) { p.Components[0].Target = "3" },
		"size":       func(p *ota.Plan) { p.Components[0].Size++ },
		"components": func(p *ota.Plan) { p.Components = nil },
	} {
		other := plan()
		change(other)
		assert.False(t, plan().Same(other), name)
	}
}
