package model

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// Surroundings are what the events of a scenario happen to.
type Surroundings interface {
	StopBroker()
	StartBroker()
	StopStore()
	StartStore()
	StopPlatform()
	StartPlatform()
	// RevokeURLs makes the download URLs issued so far useless.
	RevokeURLs()
	// Partition cuts a fleet, or all if its name is empty, off from everything for a
	// time; those of it that arrive meanwhile as well.
	Partition(fleet string, lasting time.Duration)
	// DropConnections drops every connection of a fleet, or of all.
	DropConnections(fleet string)
	// Order gives the platform an order as soon as it is there to take it.
	Order(engine.Command)
	// Create gives it a plan, in the same way.
	Create(*scenario.Plan)
}

// Step is something that happens at its time of a run, whatever the devices do.
type Step struct {
	At    time.Duration
	Event *scenario.Event    // that begins; nil for what is none
	Do    func(Surroundings) // nil for what happens by itself and is only waited for
}

// grace is how long after its time a thing that happens by itself has come.
const grace = time.Second

// Schedule lists what happens in a run of a scenario, in order. Without plans those
// of the scenario are left out: the platform has its own.
func Schedule(s *scenario.Scenario, plans bool) []Step {
	var all []Step
	for i := range s.Plans {
		if plans {
			all = append(all, planSteps(&s.Plans[i])...)
		}
	}
	for i := range s.Events {
		all = append(all, eventSteps(s, &s.Events[i])...)
	}
	all = slices.DeleteFunc(all, func(step Step) bool { return step.At >= s.Duration })
	slices.SortStableFunc(all, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return all
}

// planSteps are when a plan comes into effect, and when devices get it or lose it.
func planSteps(p *scenario.Plan) []Step {
	if p.Repeat != nil {
		return roundSteps(p)
	}
	all := []Step{{At: p.Starts, Do: order(engine.Activate{Plan: p.Name})}}
	if opens := firstPush(p); opens > p.Starts {
		all = append(all, Step{At: opens + grace})
	}
	if p.Ends > 0 {
		all = append(all, Step{At: p.Ends + grace})
	}
	return all
}

// keptRounds is how many rounds of a plan the platform keeps when one begins: itself, and
// the one whose last devices may be at work.
const keptRounds = 2

// roundSteps are those of each round of a plan. A round is created when it begins, and
// retired later, so that the platform does not keep more for a longer run.
func roundSteps(p *scenario.Plan) []Step {
	var all []Step
	for n := 1; n <= p.Repeat.Rounds; n++ {
		round := p.Round(n)
		all = append(all, Step{At: round.Starts, Do: func(s Surroundings) { beginRound(s, p, n) }})
		if opens := firstPush(round); opens > round.Starts && (round.Ends == 0 || opens < round.Ends) {
			all = append(all, Step{At: opens + grace})
		}
	}
	return all
}

// beginRound lets the n-th round of a plan begin. The round before it ends by itself.
func beginRound(s Surroundings, p *scenario.Plan, n int) {
	round := p.Round(n)
	s.Create(round)
	s.Order(engine.Activate{Plan: round.Name})
	if n > keptRounds {
		s.Order(engine.Retire{Plan: p.Round(n - keptRounds).Name})
	}
}

// firstPush is when a plan's window first allows it to be pushed.
func firstPush(p *scenario.Plan) time.Duration {
	if p.Window == nil {
		return p.Starts
	}
	open := func(hour int) bool {
		if p.Window.From < p.Window.To {
			return p.Window.From <= hour && hour < p.Window.To
		}
		return hour >= p.Window.From || hour < p.Window.To
	}
	at := p.Starts
	for !open(int(at/time.Hour) % 24) {
		at = at.Truncate(time.Hour) + time.Hour
	}
	return at
}

// eventSteps are an event, what undoes it, and what it brings about by itself.
func eventSteps(s *scenario.Scenario, e *scenario.Event) []Step {
	do, undo := effect(s, e)
	all := []Step{{At: e.At, Event: e, Do: do}}
	if e.For > 0 {
		all = append(all, Step{At: e.At + e.For, Do: undo})
	}
	if e.Do == scenario.ResumePlan || e.Do == scenario.SuspendPlan && e.For > 0 {
		pushed := (e.At + e.For).Truncate(engine.PushGrid) + engine.PushGrid
		all = append(all, Step{At: pushed + grace})
	}
	return all
}

// effect is what an event does, and what undoes it after its time; nil if that
// happens by itself.
func effect(s *scenario.Scenario, e *scenario.Event) (do, undo func(Surroundings)) {
	plan := e.Plan
	if p := s.Plan(plan); p != nil {
		plan = p.NameAt(e.At)
	}
	switch e.Do {
	case scenario.KillBroker:
		return Surroundings.StopBroker, Surroundings.StartBroker
	case scenario.KillStore:
		return Surroundings.StopStore, Surroundings.StartStore
	case scenario.KillPlatform:
		return Surroundings.StopPlatform, Surroundings.StartPlatform
	case scenario.Partition:
		return func(s Surroundings) { s.Partition(e.Fleet, e.For) }, nil
	case scenario.ReconnectStorm:
		return func(s Surroundings) { s.DropConnections(e.Fleet) }, nil
	case scenario.ExpireAddresses:
		return Surroundings.RevokeURLs, nil
	case scenario.SuspendPlan:
		return order(engine.Suspend{Plan: plan}), order(engine.Resume{Plan: plan})
	case scenario.ResumePlan:
		return order(engine.Resume{Plan: plan}), nil
	case scenario.TerminatePlan:
		return order(engine.Terminate{Plan: plan}), nil
	case scenario.RetryPlan:
		return order(engine.RetryDevices{Plan: plan}), nil
	}
	panic(fmt.Sprintf("internal error: unknown event %q", e.Do))
}

func order(command engine.Command) func(Surroundings) {
	return func(s Surroundings) { s.Order(command) }
}
