package management

import "time"

// action is one assignment of a set to a target.
type action struct {
	id      int
	store   *Store
	target  *target
	set     *set
	force   string // forced, soft or downloadonly
	active  bool
	status  string // in hawkBit's words
	history []entry
	rollout *rollout
	made    time.Time
}

// entry is a line of an action's history.
type entry struct {
	id       int
	status   string
	messages []string
	at       time.Time
}

// note adds to the history, and makes that the action's status.
func (a *action) note(status string, messages ...string) {
	a.history = append(a.history, entry{a.store.number(), status, messages, a.store.now()})
	a.status = status
}

// end ends the action.
func (a *action) end(status string, messages ...string) {
	a.note(status, messages...)
	a.active = false
	t := a.target
	switch status {
	case "finished":
		t.runs, t.installed, t.status, t.ask = a.set, a.store.now(), InSync, true
	case "error":
		t.status = Failed
	case "canceled":
		t.assigned, t.status = t.runs, InSync
		if t.runs == nil {
			t.status = Registered
		}
	}
	for _, other := range t.actions {
		if other.active {
			t.assigned, t.status = other.set, Pending
		}
	}
}

// cancel asks the device to end the action, or ends it without asking.
func (a *action) cancel(force bool) error {
	switch {
	case !a.active, a.status == "canceling" && !force:
		return notAllowed("action %d cannot be cancelled: it is %s", a.id, a.status)
	case force:
		a.end("canceled", "ended without asking the device")
	default:
		a.note("canceling", "cancellation asked for")
	}
	return nil
}

// waits reports whether the action waits to be confirmed.
func (a *action) waits() bool { return a.status == "wait_for_confirmation" }

// Feedback is what a device says of an action.
type Feedback struct {
	Execution string // closed, proceeding, canceled, scheduled, rejected, resumed, download or downloaded
	Finished  string // success, failure or none
	Messages  []string
}

// takeCancel takes the answer to a cancellation.
func (a *action) takeCancel(f Feedback) {
	switch {
	case f.Execution == "closed" && f.Finished != "failure", f.Execution == "canceled":
		a.end("canceled", f.Messages...)
	case f.Execution == "closed", f.Execution == "rejected":
		a.note("cancel_rejected", f.Messages...)
		a.status = "running"
	default:
		a.note("canceling", f.Messages...)
	}
}

// take takes feedback on the deployment.
func (a *action) take(f Feedback) error {
	ends := f.Execution == "closed" || f.Execution == "canceled"
	if !ends && len(a.history) >= maxEntries {
		return quota("action %d has %d entries: only its end is taken", a.id, maxEntries)
	}
	switch f.Execution {
	case "closed":
		if f.Finished == "failure" {
			a.end("error", f.Messages...)
		} else {
			a.end("finished", f.Messages...)
		}
	case "canceled":
		a.end("canceled", f.Messages...)
	case "rejected":
		a.note("warning", f.Messages...)
	case "download", "downloaded":
		a.note(f.Execution, f.Messages...)
	default:
		a.note("running", f.Messages...)
	}
	return nil
}
