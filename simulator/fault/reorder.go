package fault

import (
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// patience is how long a message waits for one that overtakes it. Without one it
// goes on as if nothing had happened.
const patience = 2 * time.Second

// reorder lets a message wait for the one that follows it.
func (in *Injection) reorder(g Gear) Gear {
	hold := &waiting{in: in, body: g.Body}
	if in.fault.At == scenario.AtReport {
		next := g.Link
		g.Link = sendFunc(func(m ota.Up) {
			next.Send(m)
			hold.overtaken()
		})
	} else {
		next := g.Deliver
		g.Deliver = func(input agent.Input) {
			next(input)
			if _, message := input.(agent.Received); message {
				hold.overtaken()
			}
		}
	}
	return in.onMessage(g, func(_ int, send func()) { hold.wait(send) })
}

// waiting is the message that waits, of one start of the device.
type waiting struct {
	in   *Injection
	body Body

	mu   sync.Mutex // guards the following
	send func()     // nil if none waits
	n    int        // that have waited
}

// wait lets a message wait. If another one waits, this one does
// not, and overtakes it.
func (w *waiting) wait(send func()) {
	w.mu.Lock()
	if w.send != nil {
		w.mu.Unlock()
		w.in.spare()
		send()
		return
	}
	w.n++
	w.send = send
	n := w.n
	w.mu.Unlock()
	w.body.After(patience, func() {
		if late := w.take(n); late != nil {
			w.in.spare()
			late()
		}
	})
}

// overtaken lets the message go that waits: another one has passed.
func (w *waiting) overtaken() {
	if late := w.take(0); late != nil {
		w.in.tell()
		late()
	}
}

// take takes the message that waits, if it is the n-th or n is 0; nil if there
// is none.
func (w *waiting) take(n int) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n != 0 && n != w.n {
		return nil
	}
	send := w.send
	w.send = nil
	return send
}
