package fault

import (
	"net/http"
	"time"

	"otafleet/simulator/scenario"
)

// Request is one request of a device to a platform that it polls, and what will come
// of it. Faults change it before it leaves, and each world then carries it out.
type Request struct {
	Place scenario.Place // AtPoll or AtReport; empty for any other request

	// Status is the HTTP status that is answered, by what stands before the platform,
	// which hears nothing; 0 if nothing is wrong.
	Status     int
	RetryAfter time.Duration // that this answer asks for; 0 for nothing
}

// refuseRequest makes requests of the fault's place be refused: one, or all for a time.
func (in *Injection) refuseRequest(h Hooks) Hooks {
	return in.onRequest(h, func(r *Request) bool { return r.Place == in.fault.At }, func(r *Request) {
		r.Status, r.RetryAfter = in.fault.Status, in.fault.RetryAfter
	})
}

// expireToken makes every request be refused for a time, from the first one at the
// fault's place.
func (in *Injection) expireToken(h Hooks) Hooks {
	return in.onRequest(h, func(*Request) bool { return true }, func(r *Request) { r.Status = http.StatusUnauthorized })
}

// onRequest refuses a request at the fault's place, and for its time all that concern
// it. A refusal that another fault has brought about is left as it is.
func (in *Injection) onRequest(h Hooks, concerns func(*Request) bool, refuse func(*Request)) Hooks {
	next, control := h.Request, h.Control
	h.Request = func(r *Request) {
		next(r)
		switch {
		case r.Status != 0:
		case concerns(r) && in.fires():
			refuse(r)
		case r.Place == in.fault.At && in.begins(control):
			refuse(r)
		}
	}
	return h
}

// begins strikes, for a time if the fault has one.
func (in *Injection) begins(control Control) bool {
	occurrence, ok := in.strike()
	switch {
	case !ok:
		return false
	case in.length(occurrence) == 0:
		in.report()
		return true
	}
	in.lasts(control, occurrence)
	return in.fires()
}

// takeSession takes the device's session over.
func (in *Injection) takeSession(h Hooks) Hooks {
	return in.at(h, Breaks, func(int) { h.Control.TakeSession() })
}

// cancel ends the device's plan.
func (in *Injection) cancel(h Hooks) Hooks {
	return in.at(h, Passes, func(int) { h.Control.EndPlan() })
}
