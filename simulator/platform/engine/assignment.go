package engine

import (
	"time"

	"otafleet/internal/ota"
)

// AssignmentState says what a device is to do with an assignment.
type AssignmentState uint8

// The states.
const (
	Assigned     AssignmentState = iota // carry it out
	AwaitingUser                        // it waits for the device's user
	Withdrawn                           // end it: the device has it, and has not reported an end
)

// Assignment is one attempt of a plan on one device, for a protocol that shows a
// device its state instead of sending it messages.
type Assignment struct {
	Plan      string
	Number    int // of the plan, in the order of creation
	Attempt   int
	State     AssignmentState
	Accepted  bool                  // the device has accepted the plan
	End       ota.TerminationReason // of one that is withdrawn
	OnFailure ota.OnFailure
	Seq       int // the last report's number
	Parts     []AssignedPart
}

// AssignedPart is one component of an assignment.
type AssignedPart struct {
	ID      string
	Type    ota.ComponentType
	Running string // version that the device last reported
	Target  string
	Status  ota.Status // as reported
	Package string     // the reference given with AddPackage
}

// Assigned gives what a device is to look at: what it must end, then what it is at
// work on, then what it was offered, then what its user may answer; false for nothing.
func (e *Engine) Assigned(now time.Time, id ota.Identity) (Assignment, bool) {
	d := e.known(id)
	if d == nil {
		return Assignment{}, false
	}
	for _, t := range d.tasks {
		if t.withdrawn() {
			return e.assignment(t, Withdrawn), true
		}
	}
	if d.active != nil {
		return e.assignment(d.active, Assigned), true
	}
	for _, t := range d.tasks {
		p := t.plan
		if t.isOffered() && (!t.unheard() || p.mayHave(now, d, t) == "") {
			return e.assignment(t, Assigned), true
		}
	}
	for _, p := range e.offers(d) {
		t := d.task(p)
		if p.mayHave(now, d, t) != ota.NoPlanAwaitingUser {
			continue
		}
		if t == nil {
			t = &task{device: d, plan: p, parts: make([]part, len(p.components)), attempt: 1}
		}
		return e.assignment(t, AwaitingUser), true
	}
	return Assignment{}, false
}

// WasAssigned reports whether a device has ever had an attempt of the plan of a
// number.
func (e *Engine) WasAssigned(id ota.Identity, number, attempt int) bool {
	d := e.known(id)
	if d == nil {
		return false
	}
	for _, t := range d.tasks {
		if t.plan.number == number {
			return attempt <= t.attempt
		}
	}
	return false
}

// Home finds a device by its key alone; false if no product knows it, or several do.
func (e *Engine) Home(key string) (id ota.Identity, found bool) {
	for _, p := range e.products {
		if d := p.byKey[key]; d != nil && d.met() {
			if found {
				return ota.Identity{}, false
			}
			id, found = d.identity(), true
		}
	}
	return id, found
}

// ConfirmsItself reports whether manual plans reach a device without asking its user.
func (e *Engine) ConfirmsItself(id ota.Identity) bool {
	d := e.known(id)
	return d != nil && d.autoConfirm
}

// isOffered reports whether the device has the plan, or may read it, and has not
// answered.
func (t *task) isOffered() bool {
	return t.offered == t.attempt && !t.confirmed && !t.abandoned && !t.cancelled && !ended(t.status) &&
		!t.plan.status.closed()
}

// withdrawn reports whether the device is to end what it knows of the plan.
func (t *task) withdrawn() bool {
	over := t.abandoned || !t.confirmed && (t.cancelled || t.plan.status.closed())
	if !over || t.unheard() {
		return false
	}
	for i := range t.parts {
		if !conclusive(t.parts[i].status) {
			return true
		}
	}
	return false
}

func (e *Engine) assignment(t *task, state AssignmentState) Assignment {
	a := Assignment{
		Plan: t.plan.spec.ID, Number: t.plan.number, Attempt: t.attempt, State: state, Accepted: t.confirmed,
		End: ota.Terminated, OnFailure: t.plan.spec.OnFailure, Seq: t.seq,
	}
	if t.plan.status == Finished && !t.abandoned && !t.cancelled {
		a.End = ota.Ended
	}
	for i := range t.plan.components {
		c := &t.plan.components[i]
		a.Parts = append(a.Parts, AssignedPart{
			ID: c.ID, Type: c.Type, Running: t.device.version(c.ID, c.Type), Target: c.Target,
			Status: t.parts[i].status, Package: e.reference(t, i),
		})
	}
	return a
}
