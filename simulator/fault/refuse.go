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
	deliver, sensors, body := g.Deliver, g.Sensors, g.Body
	g.Deliver = func(input agent.Input) {
		if received, is := input.(agent.Received); is {
			if _, plan := received.Message.(*ota.Plan); plan {
				in.spoilFor(body)
			}
		}
		deliver(input)
	}
	g.Sensors = sensorFunc(func(ctx context.Context) agent.Readings {
		r := sensors.Read(ctx)
		if in.spoilt(0) {
			spoil(&r, in.fault.Reason)
		}
		return r
	})
	return g
}

// spoilFor spoils the sensors for the time of the occurrence, if there is one.
// The cause outlives a restart of the device, as the fault itself does.
func (in *Injection) spoilFor(body Body) {
	occurrence, ok := in.strike()
	if !ok {
		return
	}
	in.tell()
	in.spoilt(+1)
	body.After(in.length(occurrence), func() {
		in.spoilt(-1)
		body.Remeasure()
	})
}

// spoilt changes the number of causes and reports whether there is one.
func (in *Injection) spoilt(change int) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.spoiled += change
	return in.spoiled > 0
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
