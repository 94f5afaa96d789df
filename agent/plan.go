package agent

import (
	"fmt"
	"slices"
	"time"

	"otafleet/internal/ota"
)

// maxPending is how many unacknowledged reports a device bears before it
// refuses new plans: the platform does not store what it receives, and the
// state file is bounded.
const maxPending = 256

// maxAttemptStep is by how much an attempt may be higher than the one that the
// device knows. A platform counts by one; what has jumped ahead would make the
// device deaf to every later message of the plan.
const maxAttemptStep = 100

// refusal is why a plan is refused.
type refusal struct {
	reason  ota.Reason
	detail  string
	retryAt time.Time
}

// planArrived takes a plan: a new one, one sent again, or one retried.
func (m *Machine) planArrived(plan *ota.Plan) {
	switch run := m.state.find(plan.ID); {
	case run == nil:
		m.newPlan(plan)
	case plan.Attempt-run.Attempt > maxAttemptStep:
		m.decide(plan.ID, plan.Attempt, &refusal{reason: ota.ReasonInvalidPlan,
			detail: fmt.Sprintf("attempt %d follows attempt %d", plan.Attempt, run.Attempt)})
	case run.Local != "":
		m.decide(plan.ID, plan.Attempt, &refusal{reason: ota.ReasonInvalidPlan,
			detail: "the device has a plan of its own of that name"})
	case plan.Attempt <= run.Attempt:
		m.planAgain(run, plan)
	default:
		m.planRetried(run, plan)
	}
}

// newPlan takes up a plan that the device has not seen before. The one in hand
// is closed if it waits for a retry, and keeps the device busy if it does not.
func (m *Machine) newPlan(plan *ota.Plan) {
	ended := m.state.recall(plan.ID)
	if ended != nil && ended.Accepted {
		m.decide(plan.ID, plan.Attempt, &refusal{reason: ota.ReasonInvalidPlan,
			detail: "the plan has ended on this device, and others have come since; send it under another id"})
		return
	}
	if m.busyWith(plan) || m.tooMany(plan) {
		return
	}
	run := newRun(plan)
	if ended != nil {
		run.resume(ended)
		m.state.Ended = slices.DeleteFunc(slices.Clone(m.state.Ended), func(e Ended) bool { return e.Plan == plan.ID })
	}
	m.takeUp(run)
	m.receivePlan()
	m.evaluate()
}

// busyWith refuses a plan because of another one in progress, or because too
// many reports are waiting for the platform.
func (m *Machine) busyWith(plan *ota.Plan) bool {
	run := m.state.Run
	switch {
	case run != nil && run.Plan.ID != plan.ID && run.inProgress() && !m.givesWay(plan):
		m.decide(plan.ID, plan.Attempt, &refusal{reason: ota.ReasonBusy, detail: "plan " + run.Plan.ID + " is in progress"})
	case m.outbox.Len() > maxPending:
		m.decide(plan.ID, plan.Attempt, &refusal{reason: ota.ReasonBusy,
			detail: fmt.Sprintf("%d reports are not acknowledged", m.outbox.Len())})
	default:
		return false
	}
	return true
}

// tooMany refuses a plan because more of them come than the device saves.
func (m *Machine) tooMany(plan *ota.Plan) bool {
	if m.mayChange() {
		return false
	}
	m.decide(plan.ID, plan.Attempt, &refusal{reason: ota.ReasonBusy, retryAt: m.changes.next(),
		detail: fmt.Sprintf("plans change faster than one in %s", changeEvery)})
	return true
}

// takeUp makes run the one in hand and remembers the one before it.
func (m *Machine) takeUp(run *Run) {
	m.state.retire()
	run.Taken, m.took = m.stamp(), m.now
	m.state.Run = run
	m.work = make([]work, len(run.Parts))
	m.asking, m.refusal = false, nil
	m.dirty = true
}

// receivePlan reports every part that was not reported before.
func (m *Machine) receivePlan() {
	for i := range m.state.Run.Parts {
		if t := m.task(i); t.Status == ota.PlanNotReceived {
			m.report(t, ota.PlanReceived, nil)
		}
	}
}

// planAgain answers a plan that the device has seen: with the same answer if it
// agreed, anew if it did not. A message of an attempt before the one that the
// device knows has been overtaken, and asks nothing.
func (m *Machine) planAgain(run *Run, plan *ota.Plan) {
	switch {
	case run.Answer == Accepted:
		m.decide(plan.ID, run.Attempt, nil)
	case run.Answer == Closed || plan.Attempt < run.Attempt || m.busyWith(plan):
	case run == m.state.Run && run.Plan.Same(plan):
		// There is nothing new to save, unless the answer is.
		run.Plan, run.Taken = plan, m.stamp()
		m.asking, m.refusal = false, nil
		m.evaluate()
	case !m.tooMany(plan):
		m.takeUpAgain(run, plan)
	}
}

// planRetried takes up a plan again with a higher attempt. If the device is
// still at work on it, it goes on, and tries again what has failed so far.
func (m *Machine) planRetried(run *Run, plan *ota.Plan) {
	working := run == m.state.Run && run.inProgress()
	switch {
	case !working && m.busyWith(plan) || m.tooMany(plan):
	case working:
		run.Attempt = plan.Attempt
		for i := range run.Parts {
			t := m.task(i)
			t.Again = (t.Status.Failed() || t.rollingBack()) && t.has != nil
		}
		m.dirty = true
		m.decide(plan.ID, run.Attempt, nil)
	default:
		m.takeUpAgain(run, plan)
	}
}

// takeUpAgain evaluates a plan anew that the device knows, in hand or past.
func (m *Machine) takeUpAgain(run *Run, plan *ota.Plan) {
	again := run.adopt(plan)
	m.state.forget(run)
	m.takeUp(again)
	m.receivePlan()
	m.evaluate()
}

// evaluate answers the current plan, or leaves the answer to the operator.
func (m *Machine) evaluate() {
	switch r := m.objection(); {
	case r != nil:
		m.refuse(r)
	case m.config.AskFirst && m.needsWork() && !m.state.Run.Agreed:
		// The operator is asked at any time of the day; the window comes after.
		m.asking, m.state.Run.Answer = true, Unanswered
		m.effect(Ask{m.state.Run.Plan})
	default:
		m.acceptInWindow()
	}
}

// acceptInWindow accepts, or refuses until the next maintenance window opens.
func (m *Machine) acceptInWindow() {
	if r := m.outsideWindow(); r != nil {
		m.refuse(r)
		return
	}
	m.accept()
}

// needsWork reports whether some part has something to upgrade.
func (m *Machine) needsWork() bool {
	for i := range m.state.Run.Parts {
		if t := m.task(i); !t.Status.Done() && t.runs() != t.wants.Target {
			return true
		}
	}
	return false
}

func (m *Machine) refuse(r *refusal) {
	run := m.state.Run
	m.dirty = m.dirty || run.Answer != Refused
	run.Answer, m.refusal, m.asking = Refused, r, false
	m.answer(r)
}

// answer tells the platform what the device says to the current plan. Of a local
// one it knows nothing.
func (m *Machine) answer(r *refusal) {
	if run := m.state.Run; run.Local == "" {
		m.decide(run.Plan.ID, run.Attempt, r)
	}
}

// accept is the point of no return: the answer is saved before it is sent.
func (m *Machine) accept() {
	run := m.state.Run
	run.Answer, m.refusal, m.asking = Accepted, nil, false
	m.dirty = true
	m.answer(nil)
	for i := range run.Parts {
		t := m.task(i)
		switch upToDate := t.runs() == t.wants.Target; {
		case t.Status == ota.PlanReceived && upToDate:
			m.report(t, ota.NoUpdateRequired, nil)
		case t.Status == ota.PlanReceived:
			m.report(t, ota.UpgradeConfirmed, nil)
		case t.Status.Failed():
			// If another program brought the target in the meantime the part stays
			// failed: the status table has no way from there to an end without a
			// package, and the device must not wait for one.
			t.Again = !upToDate
		}
	}
	m.address = search{}
}

// decide sends an answer; nil agrees. Reports that came before it go first.
func (m *Machine) decide(plan string, attempt int, r *refusal) {
	m.flush()
	d := &ota.Decision{Time: m.now, Plan: plan, Attempt: attempt, Accept: r == nil}
	if r != nil {
		d.Reason, d.Detail, d.RetryAt = r.reason, r.detail, r.retryAt
	}
	m.send(d)
}

// badPlan refuses a plan that cannot be read, unless the device has accepted
// it when it could.
func (m *Machine) badPlan(in BadPlan) {
	if run := m.state.find(in.Plan); run != nil && run.Answer == Accepted && in.Attempt <= run.Attempt {
		return
	}
	m.decide(in.Plan, in.Attempt, &refusal{reason: ota.ReasonInvalidPlan, detail: in.Detail})
}

// asks reports whether an answer to this plan, in this attempt, is waited for.
func (m *Machine) asks(plan *ota.Plan) bool {
	return m.asking && plan != nil && m.state.Run.is(Decided{Plan: plan.ID, Attempt: plan.Attempt,
		Targets: plan.Targets()})
}

// is reports whether an answer was given to this very question: the same plan,
// attempt and versions.
func (r *Run) is(in Decided) bool {
	return in.Plan == r.Plan.ID && in.Attempt == r.Attempt && slices.Equal(in.Targets, r.Plan.Targets())
}

// decided takes the operator's answer, if one is waited for. Conditions are
// looked at again, since the question may be hours old.
func (m *Machine) decided(in Decided) {
	if !m.asking || !m.state.Run.is(in) {
		return
	}
	m.asking = false
	m.state.Run.Agreed = in.Accept // kept: a plan that a condition holds back is not asked about again
	switch r := m.objection(); {
	case !in.Accept:
		m.refuse(&refusal{reason: ota.ReasonDeclined, detail: in.Detail})
	case r != nil:
		m.refuse(r)
	default:
		m.acceptInWindow()
	}
}

// reconsider asks for the plan again when the reason of its refusal has gone,
// rather than wait for the platform's next push.
func (m *Machine) reconsider() {
	run := m.state.Run
	if run == nil || run.Answer != Refused || m.refusal == nil || !m.connected {
		return
	}
	if m.refusal.reason == ota.ReasonDeclined || run.Local != "" {
		return
	}
	if r := m.obstacle(); r != nil {
		m.refusal = r // what holds the device back may have become something else
		return
	}
	m.refusal = nil // ask once; the answer is evaluated anew
	m.announce = true
}
