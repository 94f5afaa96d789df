package fault

import (
	"context"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// causes are the causes of a fault that last for a time. They outlive a restart
// of the device, as the fault itself does.
type causes struct {
	lasting int // now
	unfelt  int // of those, which the device has not noticed yet
}

// onPlan strikes when a plan arrives, before the device looks at it.
func (in *Injection) onPlan(h Hooks, act func(occurrence int)) Hooks {
	next := h.Deliver
	h.Deliver = func(input agent.Input) {
		received, _ := input.(agent.Received)
		if _, plan := received.Message.(*ota.Plan); plan {
			if occurrence, ok := in.strike(); ok {
				act(occurrence)
			}
		}
		next(input)
	}
	return h
}

// lasts begins a cause, which ends after the time of the occurrence. One that
// the device has not noticed has not struck.
func (in *Injection) lasts(control Control, occurrence int) {
	in.mu.Lock()
	in.causes.lasting++
	in.causes.unfelt++
	in.mu.Unlock()
	control.After(in.length(occurrence), func() {
		in.mu.Lock()
		in.causes.lasting--
		unfelt := in.causes.unfelt > in.causes.lasting
		if unfelt {
			in.causes.unfelt--
		}
		in.mu.Unlock()
		if unfelt {
			in.refund()
		}
		control.Remeasure()
	})
}

// fires is called when the device would notice a cause. It reports whether
// there is one.
func (in *Injection) fires() bool {
	in.mu.Lock()
	lasting, unfelt := in.causes.lasting > 0, in.causes.unfelt
	in.causes.unfelt = 0
	in.mu.Unlock()
	for range unfelt {
		in.report()
	}
	return lasting
}

// refuse spoils the sensors when a plan arrives, so that the device refuses it
// by its own rules, and mends them after the fault's time.
func (in *Injection) refuse(h Hooks) Hooks {
	sensors, control := h.Sensors, h.Control
	h.Sensors = sensorFunc(func(ctx context.Context) agent.Readings {
		r := sensors.Read(ctx)
		if in.fires() {
			spoil(&r, in.fault.Reason)
		}
		return r
	})
	return in.onPlan(h, func(occurrence int) { in.lasts(control, occurrence) })
}

// spoil lets a device refuse: readings are below what any plan may ask for.
func spoil(r *agent.Readings, reason ota.Reason) {
	switch reason {
	case ota.ReasonBattery:
		r.Battery = new(0)
	case ota.ReasonSignal:
		r.RSSI = new(scenario.DeadSignal)
	case ota.ReasonSpace:
		r.FreeBytes = new(int64(0))
	default:
		r.Busy = true
	}
}

// diskFull takes the device's free space for a time: from when a plan arrives,
// or from within a download. The fault fires when the device notices.
func (in *Injection) diskFull(h Hooks) Hooks {
	sensors, operate, control := h.Sensors, h.Operate, h.Control
	h.Sensors = sensorFunc(func(ctx context.Context) agent.Readings {
		r := sensors.Read(ctx)
		if in.fires() {
			r.FreeBytes = new(int64(0))
		}
		return r
	})
	h.Operate = func(component string, op Operation) error {
		needsSpace := op == Open || op == Write || op == Stage
		if needsSpace && in.about(component) && in.fires() {
			return firmware.Failf(ota.SpaceLow, "the scenario says that the disk is full")
		}
		return operate(component, op)
	}
	fill := func(occurrence int) { in.lasts(control, occurrence) }
	if in.fault.At == scenario.At(ota.PlanReceived) {
		return in.onPlan(h, fill)
	}
	return in.when(h, Passes, fill)
}
