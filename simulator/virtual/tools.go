package virtual

import (
	"otafleet/agent"
	"otafleet/simulator/platform/engine"
)

// tools is memory that a worker's worlds use one after the other, so that a device of a
// million finds it warm, and nothing has to be made and collected for it alone. Nothing
// of a world outlives it there but memory. The zero value is ready.
type tools struct {
	world   world
	queue   queue          // of the world before
	engine  *engine.Engine // of the world before; nil for none
	ups     []*upward      // that have arrived
	devices []*device      // of the world before
	states  []*agent.State // that no device has any more
}

// keep keeps the memory of a world that is at its end.
func (t *tools) keep(w *world) {
	t.queue, t.engine = w.queue.emptied(), w.platform.engine
	t.devices = append(t.devices, w.devices...)
	for _, d := range w.devices {
		for _, s := range []*agent.State{d.Memory.State, d.older, d.oldest} {
			if s != nil {
				t.states = append(t.states, s)
			}
		}
	}
	// A gateway of many devices leaves more than others need.
	t.devices, t.states = t.devices[:min(len(t.devices), kept)], t.states[:min(len(t.states), 2*kept)]
}

// kept is of how many devices the memory is kept.
const kept = 64

// last takes the last of some used things, or makes one.
func last[T any](used *[]*T) *T {
	i := len(*used) - 1
	if i < 0 {
		return new(T)
	}
	taken := (*used)[i]
	*used = (*used)[:i]
	return taken
}

// device gives the memory of a device: its flashes and machine are to be made anew.
func (t *tools) device() *device {
	d := last(&t.devices)
	own := d.own
	if own == nil {
		own = &agent.Machine{}
	}
	*d = device{flashes: d.flashes[:0], found: d.found[:0], line: link{speakers: d.line.speakers[:0]}, own: own,
		older: last(&t.states), oldest: last(&t.states)}
	return d
}

// arrived keeps the memory of a message.
func (t *tools) arrived(u *upward) {
	*u = upward{}
	t.ups = append(t.ups, u)
}
