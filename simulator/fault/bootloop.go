package fault

import (
	"context"
	"errors"
)

// bootLoop cuts the power each time that the new version is about to be judged,
// so that the device starts again and again and never gets further.
func (in *Injection) bootLoop(g Gear) Gear {
	next, body := g.Health, g.Body
	g.Health = healthFunc(func(ctx context.Context) error {
		if component, _ := body.Busy(); in.about(component) {
			if _, ok := in.strike(); ok {
				in.tell()
				body.CutPower(in.fault.Name, 0)
				return errors.New("the power was cut") // which nobody hears
			}
		}
		return next.Check(ctx)
	})
	return g
}
