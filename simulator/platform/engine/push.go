package engine

import "time"

// PushGrid is the clock grid on which plans are pushed.
const PushGrid = 10 * time.Minute

// runPlans ends the plans whose end has come and pushes those that are due.
func (e *Engine) runPlans() {
	for _, p := range e.created {
		if (p.status.inEffect() || p.status == Suspended) && !e.now.Before(p.spec.End) {
			e.closePlan(p, Finished)
		}
	}
	for _, p := range e.created {
		if p.due(e.now) {
			e.push(p.product)
		}
	}
	e.scheduleWake()
}

// push offers plans to the idle online devices of a product and moves the
// plans that were due to their next grid time.
func (e *Engine) push(pr *product) {
	for _, d := range pr.devices {
		if d.online && d.active == nil {
			e.pushTo(d)
		}
	}
	for _, p := range pr.active {
		if p.due(e.now) {
			p.nextPush = nextGrid(e.now, p.spec.Zone)
			e.keepPlan(p)
		}
	}
}

// pushTo offers a device the plan of the highest priority that it may have, if
// that one is due. A plan that waits for its grid time holds the later ones
// back; one that was refused lately does not.
func (e *Engine) pushTo(d *device) {
	for _, p := range e.offers(d) {
		t := d.task(p)
		if p.nextPush.IsZero() || t.quiet(e.now) || p.mayHave(e.now, d, t) != "" {
			continue
		}
		if p.due(e.now) {
			e.offer(e.taskFor(p, d), logPushed)
		}
		return
	}
}

// due reports whether the time to push has come.
func (p *plan) due(now time.Time) bool {
	return !p.nextPush.IsZero() && !now.Before(p.nextPush)
}

// pushesAt reports whether now lies in the push window.
func (p *plan) pushesAt(now time.Time) bool {
	return p.spec.PushHours.contain(now.In(p.spec.Zone).Hour())
}

// offer sends a plan. Sending it again is harmless: a device runs it once.
func (e *Engine) offer(t *task, why logKind) {
	t.offered, t.owed = t.attempt, owesNothing
	e.note(t, entry{kind: why, note: e.versionsNote(t.device)})
	e.note(t, entry{kind: logOffered, note: uint32(t.attempt)})
	e.send(t.device, t.plan.messageFor(e.now, t.attempt))
}

// scheduleWake finds the next time at which a plan needs a Tick.
func (e *Engine) scheduleWake() {
	e.wake = time.Time{}
	for _, p := range e.created {
		if p.status == Inactivated || p.status.closed() {
			continue
		}
		e.wake = sooner(e.wake, p.spec.End)
		e.wake = sooner(e.wake, p.nextPush)
	}
}

// nextGrid is the first time after now at which the clock of a zone shows
// whole ten minutes.
func nextGrid(now time.Time, zone *time.Location) time.Time {
	const grid = int64(PushGrid / time.Second)
	_, offset := now.In(zone).Zone()
	local := now.Unix() + int64(offset)
	return now.Truncate(time.Second).Add(time.Duration(grid-local%grid) * time.Second)
}

// sooner returns the earlier of two times, of which a zero one does not count.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
