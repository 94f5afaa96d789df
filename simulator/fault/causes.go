package fault

import (
	"otafleet/agent"
	"otafleet/internal/ota"
)

// causes are the causes of a fault that last for a time. They outlive a restart
// of the device, as the fault itself does.
type causes struct {
	lasting int // now
	unfelt  int // of those, which the device has not noticed yet
}

// onPlan strikes when a plan arrives, before the device looks at it.
func (in *Injection) onPlan(g Gear, act func(occurrence int)) Gear {
	next := g.Deliver
	g.Deliver = func(input agent.Input) {
		received, _ := input.(agent.Received)
		if _, plan := received.Message.(*ota.Plan); plan {
			if occurrence, ok := in.strike(); ok {
				act(occurrence)
			}
		}
		next(input)
	}
	return g
}

// lasts begins a cause, which ends after the time of the occurrence. One that
// the device has not noticed has not struck.
func (in *Injection) lasts(body Body, occurrence int) {
	in.mu.Lock()
	in.causes.lasting++
	in.causes.unfelt++
	in.mu.Unlock()
	body.After(in.length(occurrence), func() {
		in.mu.Lock()
		in.causes.lasting--
		unfelt := in.causes.unfelt > in.causes.lasting
		if unfelt {
			in.causes.unfelt--
		}
		in.mu.Unlock()
		if unfelt {
			in.spare()
		}
		body.Remeasure()
	})
}

// suffers is called when the device would notice a cause. It reports whether
// there is one.
func (in *Injection) suffers() bool {
	in.mu.Lock()
	lasting, unfelt := in.causes.lasting > 0, in.causes.unfelt
	in.causes.unfelt = 0
	in.mu.Unlock()
	for range unfelt {
		in.tell()
	}
	return lasting
}
