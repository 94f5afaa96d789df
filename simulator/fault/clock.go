package fault

import (
	"time"

	"otafleet/agent"
	"otafleet/simulator/scenario"
)

// clockSkew sets the device's clock wrong from now on, even over restarts.
func (in *Injection) clockSkew(h Hooks) Hooks {
	clock := h.Clock
	h.Clock = func(now time.Time) time.Time {
		in.mu.Lock()
		defer in.mu.Unlock()
		return clock(now).Add(in.skew)
	}
	if in.fault.At == scenario.AtBoot {
		in.misset()
		return h
	}
	next := h.Deliver
	h.Deliver = func(input agent.Input) {
		if _, connected := input.(agent.Connected); connected {
			in.misset()
		}
		next(input)
	}
	return h
}

// misset sets the clock wrong.
func (in *Injection) misset() {
	occurrence, ok := in.strike()
	if !ok {
		return
	}
	in.report()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.skew = in.extent(occurrence)
}
