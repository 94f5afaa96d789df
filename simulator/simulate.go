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
	memory := o.sampleMemory()
	r, err := w.Run(ctx, &o)
	samples := memory()
	if r == nil {
		return nil, err
	}
	r.Figures.Chosen, r.Figures.Refused, r.Figures.Memory = o.Devices.Chosen(), r.Refused, samples
	v := verdict.New(o.Scenario, o.Seed, w.Name(), r.Figures)
	v.Started, v.Part = began, o.Devices.String()
	v.Resources = resources(began)
	v.Resources.Sockets = r.Sockets
	if r.Interrupted {
		v.Interrupt()
	}
	return v, err
}

// sampleMemory lets the memory of a run with windows be sampled, until the returned
// function is called.
func (o *Options) sampleMemory() (stop func() []verdict.MemorySample) {
	var m *memory
	take := o.Memory
	if take == nil {
		take = resident
	}
	if started := o.Started; o.Scenario.Windows > 0 {
		o.Started = func(r Run) {
			m = watchMemory(r, o.Scenario.Duration, take)
			if started != nil {
				started(r)
			}
		}
	}
	return func() []verdict.MemorySample { return m.stop() }
}
