package platform

import (
	"sync/atomic"
	"time"

	"otafleet/simulator/platform/engine"
)

// Fact is something that happened, with its time: an engine.Changed, PlanChanged,
// Recorded or Decided.
type Fact struct {
	At   time.Time
	What engine.Output
}

// Watch is a follower of what happens. One that does not keep up misses
// facts, and never holds the platform up.
type Watch struct {
	// Facts gives the facts, in their order.
	Facts <-chan Fact

	facts  chan Fact
	missed atomic.Int64
}

// Missed is how many facts there was no room for since the last call.
func (w *Watch) Missed() int64 { return w.missed.Swap(0) }

// Watch follows what happens from now on, with room for so many
// facts that have not been taken yet. End it with Unwatch.
func (s *Service) Watch(room int) *Watch {
	w := &Watch{facts: make(chan Fact, room)}
	w.Facts = w.facts
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches == nil {
		s.watches = map[*Watch]struct{}{}
	}
	s.watches[w] = struct{}{}
	return w
}

// Unwatch ends a watch.
func (s *Service) Unwatch(w *Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches, w)
}

// show tells everybody who follows; the caller holds mu.
func (s *Service) show(now time.Time, out engine.Output) {
	switch out.(type) {
	case engine.Send, engine.Issue, engine.Appeared, engine.TurnedAway:
		return
	}
	for w := range s.watches {
		select {
		case w.facts <- Fact{now, out}:
		default:
			w.missed.Add(1)
		}
	}
}
