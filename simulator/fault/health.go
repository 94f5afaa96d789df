package fault

import (
	"context"
	"errors"
)

var errUnhealthy = errors.New("the scenario says that the new version is not healthy")

// unhealthy fails the health check of the new version.
func (in *Injection) unhealthy(h Hooks) Hooks {
	return in.onHealth(h, func() error { return errUnhealthy })
}

// bootLoop cuts the power each time that the new version is about to be judged,
// so that the device starts again and again and never gets further.
func (in *Injection) bootLoop(h Hooks) Hooks {
	return in.onHealth(h, func() error {
		h.Control.CutPower(in.fault.Name, 0)
		return errors.New("the power was cut") // which is not heard
	})
}

// onHealth strikes in the place of a health check of the new version.
func (in *Injection) onHealth(h Hooks, act func() error) Hooks {
	next, control := h.Health, h.Control
	h.Health = healthFunc(func(ctx context.Context) error {
		if component, _ := control.Busy(); in.about(component) {
			if _, ok := in.strike(); ok {
				in.report()
				return act()
			}
		}
		return next.Check(ctx)
	})
	return h
}
