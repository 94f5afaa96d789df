package stock

import (
	"time"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// slack is how long after the run a plan goes on that has no end of its own: a
// run that ends by its own clock must not end the plan's.
const slack = 24 * time.Hour

// Plan is a scenario's plan as the engine takes it, of a run that began at a
// time.
func Plan(s *scenario.Scenario, p *scenario.Plan, began time.Time) engine.PlanSpec {
	spec := engine.PlanSpec{
		ID: p.Name, Name: p.Name, Product: p.Product, Zone: time.UTC,
		Start: began.Add(-time.Minute), End: began.Add(s.Duration + slack),
		Mode: p.Mode, Retries: p.Retries, MinBattery: p.Conditions.MinBattery, MinRSSI: p.Conditions.MinRSSI, OnFailure: p.OnFailure,
	}
	for _, c := range p.Components {
		spec.Components = append(spec.Components, engine.ComponentSpec{
			ID: c.ID, Type: c.Type, Package: c.Package, Sources: c.Sources, Target: c.Target,
		})
	}
	return spec
}
