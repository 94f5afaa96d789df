package engine

import (
	"math"
	"time"

	"otafleet/internal/ota"
)

// addressOnItsWay is how long an address is not sent again to a device that
// reports its versions without having been away, as it does after each success
// and each failure.
const addressOnItsWay = 10 * time.Second

// decision takes a device's answer. One to an older attempt than the last that
// was offered changes nothing, and neither does a refusal after an agreement.
func (e *Engine) decision(d *device, m *ota.Decision) {
	e.emit(Decided{d.identity(), m})
	t := e.taskOf(d, m.Plan)
	if t == nil || t.offered == 0 || m.Attempt < t.offered || t.confirmed {
		return
	}
	if t.abandoned {
		e.sendTermination(t) // its answer and the order have crossed
		return
	}
	if !m.Accept {
		t.quietUntil = secondOf(e.now.Add(t.plan.spec.quiet()))
		e.note(t, entry{kind: logRefused, note: e.words.number(string(m.Reason))})
		return
	}
	e.confirm(t)
	e.settle(t)
	e.advance(t)
}

// confirm passes the point of no return: nothing but the end of the upgrade
// ends the device's part of the plan from here.
func (e *Engine) confirm(t *task) {
	if t.confirmed {
		return
	}
	t.confirmed, t.cancelled, t.owed = true, false, owesNothing
	t.started = secondOf(e.now)
	e.note(t, entry{kind: logAccepted})
	if t.plan.status == ToBeUpgraded {
		e.setStatus(t.plan, Upgrading)
	}
}

// step applies a legal report to its component and does what follows from it.
func (e *Engine) step(t *task, i int, r *ota.Report) {
	p := &t.parts[i]
	p.take(r)
	e.note(t, entry{kind: logStatus, part: partOf(i), status: r.Status, note: e.codeNote(r.Failure)})
	switch {
	case r.Status.Failed():
		e.fail(t, i, r.Failure.Code)
	case r.Status == ota.ReadyToDownload:
		p.percent, p.exhausted = 0, false
		fallthrough
	case r.Status != ota.PlanReceived:
		// The decision may have been lost; what only an agreed device does proves it.
		e.confirm(t)
	}
	if conclusive(r.Status) && int(t.current) == i {
		t.current = -1
	}
	t.reverting = t.reverting && t.anyUpgraded()
}

// addressRequest sends the address of the component whose turn it is again.
func (e *Engine) addressRequest(d *device, m *ota.AddressRequest) {
	t := e.taskOf(d, m.Plan)
	if t == nil {
		return
	}
	if t.abandoned {
		e.sendTermination(t)
		return
	}
	i := t.plan.component(m.Component)
	if i >= 0 && m.Reason == ota.AddressFull {
		t.parts[i].full = true
	}
	if i >= 0 && (i == int(t.current) || i == t.next()) {
		e.issue(t, i, IssueAsked)
	}
}

// advance issues the address of the component whose turn it is, if any.
func (e *Engine) advance(t *task) {
	switch i := t.next(); {
	case i < 0:
	case t.parts[i].status.Failed():
		e.issue(t, i, IssueRetry)
	default:
		e.issue(t, i, IssueNext)
	}
}

// next finds the component whose turn it is: the first in list order that is
// not done, unless another one is at work or nothing may go on; -1 if none is.
func (t *task) next() int {
	if !t.confirmed || t.abandoned || t.current >= 0 || t.reverting || t.dead() {
		return -1
	}
	for i := range t.parts {
		p, c := &t.parts[i], &t.plan.components[i]
		switch {
		case p.credited, p.status.Done(), p.exhausted:
		case p.status < ota.UpgradeConfirmed && t.device.version(c.ID, c.Type) == c.Target:
			// The device will report that it needs no update.
		default:
			return i
		}
	}
	return -1
}

func (e *Engine) issue(t *task, i int, why IssueReason) {
	p := &t.parts[i]
	if p.times == 0 || int(p.attempt) != t.attempt {
		p.times = min(p.times, math.MaxUint16-1) + 1
		p.attempt = int32(t.attempt)
	}
	t.current, t.issued = int8(i), secondOf(e.now)
	e.note(t, entry{kind: logIssued, part: partOf(i), note: e.words.number(string(why))})
	e.emit(Issue{
		Device: t.device.identity(), Plan: t.plan.spec.ID, Attempt: t.attempt,
		Component: t.plan.components[i].ID, Package: e.reference(t, i), Reason: why,
	})
}

// reference finds the package of component i for a device: the plan's, or the
// full one where a delta was of no use. Without one the delta goes out again, and
// the device will say that it has failed.
func (e *Engine) reference(t *task, i int) string {
	c := &t.plan.components[i]
	if t.parts[i].full && c.Package == ota.Delta {
		if full, found := e.packages[t.plan.fullPackage(c.ID, c.Type, c.Target)]; found {
			return full.view.Reference
		}
	}
	return t.plan.references[i]
}

// waits reports whether component i may still wait for its address, as far as
// its reports tell.
func (t *task) waits(i int) bool {
	s := t.parts[i].status
	return s == ota.UpgradeConfirmed || !s.InProgress()
}

// credit counts a running component as upgraded when the inventory shows its
// target, and says whether it did.
func (e *Engine) credit(t *task) bool {
	found := false
	for i := range t.parts {
		p, c := &t.parts[i], &t.plan.components[i]
		working := p.status.InProgress() || p.status.Failed()
		if !working || p.credited || t.device.version(c.ID, c.Type) != c.Target {
			continue
		}
		found, p.credited = true, true
		if int(t.current) == i {
			t.current = -1
		}
		e.note(t, entry{kind: logCredited, part: partOf(i)})
	}
	if found {
		e.settle(t)
		e.advance(t)
	}
	return found
}

func (e *Engine) progress(d *device, m *ota.Progress) {
	t := e.taskOf(d, m.Plan)
	if t == nil || m.Total <= 0 || m.Done < 0 {
		return
	}
	if i := t.plan.component(m.Component); i >= 0 {
		t.parts[i].percent = uint8(100 * min(float64(m.Done)/float64(m.Total), 1))
	}
}

// component finds a component of the plan by its id; -1 if there is none.
func (p *plan) component(id string) int {
	for i := range p.components {
		if p.components[i].ID == id {
			return i
		}
	}
	return -1
}
