package differ_test

import (
	"context"
	"fmt"
	"sync"

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
	r := &run{}
	var mu sync.Mutex
	_, err := virtual.Simulate(ctx, virtual.Options{Scenario: s, Workers: 1, Record: func(events []verdict.Event) error {
		mu.Lock()
		defer mu.Unlock()
		r.events = append(r.events, events...)
		return nil
	}})
	return r, err
}

// runReally runs a scenario on real sockets.
func runReally(ctx context.Context, s *scenario.Scenario) (*run, error) {
	r := &run{}
	v, err := real.Simulate(ctx, real.Options{Scenario: s, History: r})
	if err == nil && v.Interrupted {
		err = fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return r, err
}

// Add keeps an event of the real world.
func (r *run) Add(e *verdict.Event) { r.events = append(r.events, *e) }
