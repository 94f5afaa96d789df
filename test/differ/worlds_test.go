package differ_test

import (
	"context"
	"fmt"
	"sync"

	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// record is what happened in a run: of each device, in order.
type record struct {
	mu     sync.Mutex // guards the following
	events []verdict.Event
}

// AddEvents keeps events of any device (simulator.Sink).
func (r *record) AddEvents(events []verdict.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
}

// recordIn runs a scenario in a world.
func recordIn(ctx context.Context, world simulator.World, s *scenario.Scenario) (*record, error) {
	r := &record{}
	v, err := simulator.Simulate(ctx, world, simulator.Options{Scenario: s, History: r})
	if err == nil && v.Interrupted {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run the scenario in the %s world: %w", world.Name(), err)
	}
	return r, nil
}
