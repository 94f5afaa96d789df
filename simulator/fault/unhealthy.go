package fault

import (
	"context"
	"errors"
)

var errUnhealthy = errors.New("the scenario says that the new version is not healthy")

// unhealthy fails the health check of the new version.
func (in *Injection) unhealthy(g Gear) Gear {
	next, body := g.Health, g.Body
	g.Health = healthFunc(func(ctx context.Context) error {
		if component, _ := body.Busy(); in.about(component) {
			if _, ok := in.strike(); ok {
				in.tell()
				return errUnhealthy
			}
		}
		return next.Check(ctx)
	})
	return g
}
