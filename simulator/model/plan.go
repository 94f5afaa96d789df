package model

import (
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// slack is how long after the run a plan goes on that has no end of its own: a
// run that ends by its own clock must not end the plan's.
const slack = 24 * time.Hour

// PlanSpec is a scenario's plan as the engine takes it, of a run of these devices that
// began at a time. The plan's clock shows midnight then, so that neither the grid
// of pushes nor the window depends on when a run is started.
func PlanSpec(s *scenario.Scenario, p *scenario.Plan, began time.Time, devices []Member) engine.PlanSpec {
	began = began.UTC()
	midnight := began.Truncate(24 * time.Hour)
	spec := engine.PlanSpec{
		ID: p.Name, Name: p.Name, Product: p.Product,
		Zone:  time.FixedZone("run", -int(began.Sub(midnight)/time.Second)),
		Start: began.Add(-time.Minute), End: began.Add(s.Duration + slack),
		Mode: p.Mode, OnRequest: p.Mode == ota.Silent && !p.Push, Retries: p.Retries,
		MinBattery: p.Conditions.MinBattery, MinRSSI: p.Conditions.MinRSSI, OnFailure: p.OnFailure,
		Black: Excluded(p, devices),
	}
	if p.Mode == ota.Silent && p.Push {
		spec.Quiet = p.Rejection
	}
	if p.Window != nil {
		spec.PushHours = engine.Hours{From: p.Window.From, To: p.Window.To}
	}
	if p.Ends > 0 {
		spec.End = began.Add(p.Ends)
	}
	for i := range p.Components {
		c := &p.Components[i]
		spec.Components = append(spec.Components, engine.ComponentSpec{
			ID: c.ID, Type: c.Type, Package: c.Package, Sources: c.Sources, Target: c.Target,
		})
	}
	return spec
}

// Excluded lists the keys of the devices that are of a plan's product, and not of its
// fleets.
func Excluded(p *scenario.Plan, devices []Member) (keys []string) {
	for _, d := range devices {
		if d.Fleet.Product == p.Product && !p.Covers(d.Fleet) {
			keys = append(keys, d.Fleet.Device(d.N))
		}
	}
	return keys
}
