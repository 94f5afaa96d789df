package fault

import (
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// post decides about one message, which it passes on by send when and as often
// as it likes.
type post func(occurrence int, send func())

// onMessage decorates the way of the messages that the fault is about: the plan or
// the package that comes before its status, else the reports that leave.
func (in *Injection) onMessage(h Hooks, act post) Hooks {
	if in.downward() {
		return in.onReceive(h, act)
	}
	return in.onSend(h, act)
}

// downward reports whether the fault's messages come from the platform.
func (in *Injection) downward() bool {
	return in.fault.At == scenario.At(ota.PlanReceived) || in.fault.At == scenario.At(ota.UpgradeConfirmed)
}

// onReceive decorates the way of a device's plan or packages.
func (in *Injection) onReceive(h Hooks, act post) Hooks {
	next := h.Deliver
	h.Deliver = func(input agent.Input) {
		if received, _ := input.(agent.Received); in.means(received.Message) {
			if occurrence, ok := in.strike(); ok {
				act(occurrence, func() { next(input) })
				return
			}
		}
		next(input)
	}
	return h
}

// means reports whether the fault is about a message from the platform.
func (in *Injection) means(m ota.Down) bool {
	switch m := m.(type) {
	case *ota.Plan:
		return in.fault.At == scenario.At(ota.PlanReceived) &&
			(in.fault.Component == "" || m.Component(in.fault.Component) >= 0)
	case *ota.Package:
		return in.fault.At == scenario.At(ota.UpgradeConfirmed) && in.about(m.Component)
	}
	return false
}

// onSend decorates the way of a device's reports: of one status, or of all.
func (in *Injection) onSend(h Hooks, act post) Hooks {
	next := h.Link
	status, one := in.fault.At.Status()
	h.Link = sendFunc(func(m ota.Up) {
		if r, report := m.(*ota.Report); report && in.about(r.Component) && (!one || r.Status == status) {
			if occurrence, ok := in.strike(); ok {
				act(occurrence, func() { next.Send(m) })
				return
			}
		}
		next.Send(m)
	})
	return h
}

// duplicate delivers a message twice.
func (in *Injection) duplicate(h Hooks) Hooks {
	return in.onMessage(h, func(_ int, send func()) {
		in.report()
		send()
		send()
	})
}

// delayMessage delivers a message later. What follows it overtakes it.
func (in *Injection) delayMessage(h Hooks) Hooks {
	return in.onMessage(h, func(occurrence int, send func()) {
		in.report()
		h.Control.After(in.length(occurrence), send)
	})
}

// patience is how long a message waits for one that overtakes it. Without one it
// goes on as if nothing had happened.
const patience = 2 * time.Second

// reorder holds a message back until the next one has passed.
func (in *Injection) reorder(h Hooks) Hooks {
	hold := &waiting{in: in, control: h.Control}
	if in.downward() {
		next := h.Deliver
		h.Deliver = func(input agent.Input) {
			next(input)
			if _, message := input.(agent.Received); message {
				hold.overtaken()
			}
		}
	} else {
		next := h.Link
		h.Link = sendFunc(func(m ota.Up) {
			next.Send(m)
			hold.overtaken()
		})
	}
	return in.onMessage(h, func(_ int, send func()) { hold.wait(send) })
}

// waiting is the message that waits, of one start of the device.
type waiting struct {
	in      *Injection
	control Control

	mu   sync.Mutex // guards the following
	send func()     // nil if none waits
	n    int        // that have waited
}

// wait holds a message back. If another one waits, this one does not, and
// overtakes it.
func (w *waiting) wait(send func()) {
	w.mu.Lock()
	if w.send != nil {
		w.mu.Unlock()
		w.in.refund()
		send()
		return
	}
	w.n++
	w.send = send
	n := w.n
	w.mu.Unlock()
	w.control.After(patience, func() {
		if late := w.take(n); late != nil {
			w.in.refund()
			late()
		}
	})
}

// overtaken sends the message that waits: another one has passed.
func (w *waiting) overtaken() {
	if late := w.take(0); late != nil {
		w.in.report()
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
