package fault

import (
	"context"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// The readings that let a device refuse: below what any plan may ask for.
const (
	emptyBattery = 0    // percent
	deadSignal   = -150 // dBm
)

// refuse spoils the sensors when a plan arrives, so that the device refuses it
// by its own rules, and mends them after the fault's time.
func (in *Injection) refuse(g Gear) Gear {
	sensors, body := g.Sensors, g.Body
	g.Sensors = sensorFunc(func(ctx context.Context) agent.Readings {
		r := sensors.Read(ctx)
		if in.suffers() {
			spoil(&r, in.fault.Reason)
		}
		return r
	})
	return in.onPlan(g, func(occurrence int) { in.lasts(body, occurrence) })
}

func spoil(r *agent.Readings, reason ota.Reason) {
	switch reason {
	case ota.ReasonBattery:
		r.Battery = new(emptyBattery)
	case ota.ReasonSignal:
		r.RSSI = new(deadSignal)
	case ota.ReasonSpace:
		r.FreeBytes = new(int64(0))
	default:
		r.Busy = true
	}
}
