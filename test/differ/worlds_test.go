package differ_test

import (
	"context"
	"fmt"

	"otafleet/simulator"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// run is what happened in a world, in order.
type run struct {
	events []verdict.Event
}

// runVirtually runs a scenario in virtual time.
func runVirtually(ctx context.Context, s *scenario.Scenario) (*run, error) {
	return runIn(ctx, virtual.World{Workers: 1}, s)
}

// runReally runs a scenario on real sockets.
func runReally(ctx context.Context, s *scenario.Scenario) (*run, error) {
	return runIn(ctx, &real.World{}, s)
}

func runIn(ctx context.Context, w simulator.World, s *scenario.Scenario) (*run, error) {
	r := &run{}
	v, err := simulator.Simulate(ctx, w, simulator.Options{Scenario: s, History: r})
	if err == nil && v.Interrupted {
		err = fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return r, err
}

// AddEvents keeps events. Neither world calls it twice at once: the virtual one has one
// worker.
func (r *run) AddEvents(events []verdict.Event) { r.events = append(r.events, events...) }
