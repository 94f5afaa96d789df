package fault

import (
	"context"
	"errors"
)

// powerCut takes the device's power away.
func (in *Injection) powerCut(h Hooks) Hooks {
	return in.at(h, Breaks, func(occurrence int) { h.Control.CutPower(in.fault.Name, in.length(occurrence)) })
}

// crash ends the agent, and leaves the rest of the device running.
func (in *Injection) crash(h Hooks) Hooks {
	return in.at(h, Breaks, func(occurrence int) { h.Control.Crash(in.fault.Name, in.length(occurrence)) })
}

// vanish takes the device's power away for good.
func (in *Injection) vanish(h Hooks) Hooks {
	return in.at(h, Breaks, func(int) { h.Control.Vanish(in.fault.Name) })
}

// bootLoop cuts the power each time that the new version is about to be judged,
// so that the device starts again and again and never gets further.
func (in *Injection) bootLoop(h Hooks) Hooks {
	next, control := h.Health, h.Control
	h.Health = healthFunc(func(ctx context.Context) error {
		if component, _ := control.Busy(); in.about(component) {
			if _, ok := in.strike(); ok {
				in.report()
				control.CutPower(in.fault.Name, 0)
				return errors.New("the power was cut") // which nobody hears
			}
		}
		return next.Check(ctx)
	})
	return h
}
