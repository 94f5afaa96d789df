package fault

import (
	"context"
	"errors"
)

var errUnhealthy = errors.New("the scenario says that the new version is not healthy")

// unhealthy fails the health check of the new version.
func (in *Injection) unhealthy(h Hooks) Hooks {
	next, control := h.Health, h.Control
	h.Health = healthFunc(func(ctx context.Context) error {
		if component, _ := control.Busy(); in.about(component) {
			if _, ok := in.strike(); ok {
				in.report()
				return errUnhealthy
			}
		}
		return next.Check(ctx)
	})
	return h
}
