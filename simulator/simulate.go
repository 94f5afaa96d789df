package simulator

import (
	"context"
	"time"

	"otafleet/simulator/verdict"
)

// Simulate runs a scenario in a world to its end and judges it. If ctx ends first, the
// verdict is about what there is, and says that it was interrupted. So it does beside
// an error of a run whose devices have lived.
func Simulate(ctx context.Context, w World, o Options) (*verdict.Verdict, error) {
	began := time.Now()
	if err := o.complete(); err != nil {
		return nil, err
	}
	r, err := w.Run(ctx, &o)
	if r == nil {
		return nil, err
	}
	r.Figures.Chosen, r.Figures.Refused = o.Devices.Chosen(), r.Refused
	v := verdict.New(o.Scenario, o.Seed, w.Name(), r.Figures)
	v.Started, v.Part = began, o.Devices.String()
	v.Resources = resources(began)
	v.Resources.Sockets = r.Sockets
	if r.Interrupted {
		v.Interrupt()
	}
	return v, err
}
