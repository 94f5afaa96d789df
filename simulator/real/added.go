package real

import (
	"sync"
	"sync/atomic"
	"time"

	"otafleet/simulator/verdict"
)

// mostAdded is from how many events on, which were added and not judged, who adds another
// one waits.
const mostAdded = 1000

// added is the events of a run that wait for the judge, in the order of their time. Its
// lock is held for no longer than it takes to add one, and not taken to see that there
// are none.
type added struct {
	n atomic.Int64 // of events

	mu     sync.Mutex // guards the following
	began  time.Time
	events []verdict.Event
}

// start begins the time of the events.
func (a *added) start() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.began = time.Now()
	return a.began
}

// elapsed is the time since the start.
func (a *added) elapsed() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.began)
}

// put adds an event of now, and reports whether many wait.
func (a *added) put(e verdict.Event) (many bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.At = time.Since(a.began)
	a.events = append(a.events, e)
	return a.n.Add(1) > mostAdded
}

// any reports whether one waits.
func (a *added) any() bool { return a.n.Load() > 0 }

// take returns those that wait. Their memory is the caller's, who gives that of an
// earlier call back.
func (a *added) take(before []verdict.Event) []verdict.Event {
	clear(before) // their texts are garbage
	if !a.any() {
		return before[:0]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.events
	a.events = before[:0]
	a.n.Store(0)
	return taken
}
