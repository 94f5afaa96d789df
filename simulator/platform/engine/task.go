package engine

import (
	"time"

	"otafleet/internal/ota"
)

// task is one device's part of one plan. There are as many as devices times
// plans, so it is kept small: times in seconds, strings shared, and what only
// some tasks need behind a pointer.
type task struct {
	device      *device
	plan        *plan
	parts       []part // one for each component of the plan
	log         []entry
	appointment *appointment // of a manual plan; nil without one

	// The ledger.
	seq     int           // last report number applied
	digests []uint32      // of the last reports applied, the newest at the end
	early   []*ota.Report // reports after a gap, by number

	attempt    int    // grows with every retry, automatic or manual
	offered    int    // attempt of the last plan message sent; 0 before the first
	started    second // the device's confirmation; 0 before it
	finished   second // 0 while the device is not at an end
	issued     second // when the last address went out
	quietUntil second // end of the rejection period; 0 without a refusal
	current    int8   // component whose address is out and whose end is awaited; -1 if none
	status     ota.DeviceStatus
	owed       debt

	confirmed bool // the device has accepted the offered attempt, or to one before it
	agreed    bool // manual plans: the user has confirmed
	cancelled bool // manual plans: the user has cancelled
	abandoned bool // the operator has ended the device's part
	reverting bool // upgraded components are being rolled back; no address goes out until they are there
	mayForget bool // the last inventory does not name the plan: if the reports start over, so does the ledger
	ackDue    bool // reports wait for their acknowledgement
	ackQueued bool // the task stands in the queue of acknowledgements
}

// part is one component's share of a task.
type part struct {
	status    ota.Status // as reported
	retries   uint8      // automatic retries used
	percent   uint8      // of the download or upgrade in progress
	exhausted bool       // failed, and will not be tried again
	full      bool       // a delta was of no use: the full package is sent, if there is one
	credited  bool       // the inventory showed the target, no report says so yet
	times     uint16     // how many attempts its address went out for
	attempt   int32      // the last of them
	reached   ota.Status // the last step reported on the way to an end
	failure   *setback   // of the status; nil unless it is a failure
	earlier   *setback   // the last failure that was tried again; nil without one
}

// setback is a failure with the attempt that ended in it.
type setback struct {
	attempt int
	failure *ota.Failure
}

// take makes a report what the component is. A failure before it is over.
func (p *part) take(r *ota.Report) {
	if p.failure != nil {
		p.earlier, p.failure = p.failure, nil
	}
	p.status, p.credited = r.Status, false
	switch {
	case r.Failure != nil:
		p.failure = &setback{r.Attempt, r.Failure}
	case !r.Status.Done():
		p.reached = r.Status
	}
}

// debt is what a device must be sent when it is heard of again.
type debt uint8

const (
	owesNothing debt = iota
	owesPlan
	owesTermination
)

// second counts seconds since 1970, so that a time takes four bytes. Zero is no
// time.
type second uint32

func secondOf(t time.Time) second { return second(max(t.Unix(), 1)) }

func (s second) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}

func (e *Engine) taskFor(p *plan, d *device) *task {
	if t := d.task(p); t != nil {
		return t
	}
	return e.addTask(p, d)
}

func (e *Engine) addTask(p *plan, d *device) *task {
	t := take(&e.unused.tasks)
	t.device, t.plan, t.attempt, t.current = d, p, 1, -1
	t.parts = append(t.parts, make([]part, len(p.components))...)
	if p.status.closed() {
		t.status = p.untouched()
		if !p.covers(d) {
			p.admitted++
		}
	}
	d.take(t)
	p.tasks = append(p.tasks, t)
	p.tally[t.status]++
	e.keepDevice(d)
	return t
}

// untouched reports whether the plan has neither been sent to the device nor
// been heard of from it.
func (t *task) untouched() bool { return t.offered == 0 && t.seq == 0 }

// quiet reports whether a refusal still keeps pushes away. A nil task has none.
func (t *task) quiet(now time.Time) bool {
	return t != nil && t.quietUntil != 0 && now.Before(t.quietUntil.time())
}

// runs reports whether an inventory says that the plan is in progress.
func (t *task) runs(r *ota.Running) bool { return r != nil && r.Plan == t.plan.spec.ID }

// shown is the status of component i as a monitoring page shows it.
func (t *task) shown(i int) ota.Status {
	p := &t.parts[i]
	switch {
	case p.credited:
		return ota.UpgradeSucceeded
	case t.lost() && !p.status.Done():
		return ota.UpgradeFailed
	}
	return p.status
}

// lost reports whether the device can never upgrade, and does not need to report
// so: the operator ended its part, its user cancelled, or the plan was over before
// the device had it.
func (t *task) lost() bool {
	return t.abandoned || !t.confirmed && (t.cancelled || t.plan.status.closed() && t.unheard())
}

// unheard reports whether no component has ever been reported on.
func (t *task) unheard() bool {
	for i := range t.parts {
		if t.parts[i].status != ota.PlanNotReceived {
			return false
		}
	}
	return true
}

// dead reports whether a component that will not be tried again holds back all
// others.
func (t *task) dead() bool {
	if t.plan.spec.OnFailure == ota.Continue {
		return false
	}
	for i := range t.parts {
		if t.parts[i].exhausted && !t.parts[i].credited {
			return true
		}
	}
	return false
}

func (t *task) compute() ota.DeviceStatus {
	var states [ota.MaxComponents]ota.ComponentState
	over := t.lost() || t.dead()
	for i := range t.parts {
		states[i] = ota.ComponentState{Status: t.shown(i), RetryLeft: !over && !t.parts[i].exhausted}
	}
	return ota.ComputeDevice(states[:len(t.parts)])
}

// settle brings everything that follows from the components up to date: the
// device's status, the plan's counts, and which plan the device is busy with.
func (e *Engine) settle(t *task) {
	was := t.status
	t.status = t.compute()
	switch d := t.device; {
	case t.confirmed && !ended(t.status):
		d.active = t
	case d.active == t:
		d.active = nil
	}
	if t.status == was {
		return
	}
	t.finished = 0
	if ended(t.status) {
		t.finished = secondOf(e.now)
	}
	t.plan.tally[was]--
	t.plan.tally[t.status]++
	e.sample(t.plan)
	e.keepDevice(t.device)
	e.emit(Changed{t.device.identity(), t.plan.spec.ID, was, t.status})
	e.conclude(t)
}

// ended reports whether a device's part of a plan is over.
func ended(s ota.DeviceStatus) bool {
	return s != ota.DeviceNotUpgraded && s != ota.DeviceUpgrading
}
