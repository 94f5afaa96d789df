package fault

import (
	"context"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// diskFull takes the device's free space for a time: from when a plan arrives,
// or from within a download. The fault fires when the device notices.
func (in *Injection) diskFull(g Gear) Gear {
	sensors, operate, body := g.Sensors, g.Operate, g.Body
	g.Sensors = sensorFunc(func(ctx context.Context) agent.Readings {
		r := sensors.Read(ctx)
		if in.suffers() {
			r.FreeBytes = new(int64(0))
		}
		return r
	})
	g.Operate = func(component string, op Operation) error {
		needsSpace := op == Open || op == Write || op == Stage
		if needsSpace && in.about(component) && in.suffers() {
			return firmware.Failf(ota.SpaceLow, "the scenario says that the disk is full")
		}
		return operate(component, op)
	}
	fill := func(occurrence int) { in.lasts(body, occurrence) }
	if in.fault.At == scenario.At(ota.PlanReceived) {
		return in.onPlan(g, fill)
	}
	return in.when(g, Passes, fill)
}
