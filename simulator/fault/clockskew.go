package fault

import (
	"time"

	"otafleet/agent"
	"otafleet/simulator/scenario"
)

// clockSkew lets the device's clock be wrong from now on, even over restarts.
func (in *Injection) clockSkew(g Gear) Gear {
	clock := g.Clock
	g.Clock = func(now time.Time) time.Time {
		in.mu.Lock()
		defer in.mu.Unlock()
		return clock(now).Add(in.skew)
	}
	if in.fault.At == scenario.AtBoot {
		in.misset()
		return g
	}
	next := g.Deliver
	g.Deliver = func(input agent.Input) {
		if _, connected := input.(agent.Connected); connected {
			in.misset()
		}
		next(input)
	}
	return g
}

// misset sets the clock wrong.
func (in *Injection) misset() {
	occurrence, ok := in.strike()
	if !ok {
		return
	}
	in.tell()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.skew = in.extent(occurrence)
}
