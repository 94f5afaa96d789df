package agent

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// Abandon ends the current plan for the operator, as a termination does for the
// platform.
type Abandon struct {
	Plan   string // which is to be the current one
	Detail string // in the operator's words; may be empty
}

func (Abandon) input() {}

// terminated ends a plan, current or past, for the platform.
func (m *Machine) terminated(t *ota.Termination) {
	if run := m.state.find(t.Plan); run != nil && run.Local == "" {
		m.end(run, &ota.Failure{Code: t.Code()})
	}
}

// abandon ends the current plan for the operator.
func (m *Machine) abandon(in Abandon) {
	if run := m.state.Run; run != nil && run.Plan.ID == in.Plan {
		detail := "abandoned by the operator"
		if in.Detail != "" {
			detail += ": " + in.Detail
		}
		m.end(run, &ota.Failure{Code: ota.PlanTerminated, Detail: detail})
	}
}

// end stops a plan as far as it has not begun to switch: a component in the
// middle of its switch, or in the rollback, goes on to its end, since a device
// must not stay between two versions.
func (m *Machine) end(run *Run, failure *ota.Failure) {
	switch {
	case run.Answer == Closed:
	case run.Answer == Accepted && run == m.state.Run:
		m.endAccepted(failure)
	case run.Answer != Accepted:
		m.endUnaccepted(run, failure)
	}
}

func (m *Machine) endUnaccepted(run *Run, failure *ota.Failure) {
	if run == m.state.Run {
		m.asking = false
	}
	run = m.state.own(run)
	run.Answer = Closed
	m.dirty = true
	for i := range run.Parts {
		if part := &run.Parts[i]; part.Status == ota.PlanReceived {
			part.Failure, part.FailedIn = failure, run.Attempt
			m.reportOn(run, i, ota.UpgradeFailed, part.Failure)
		}
	}
}

// endAccepted ends what waits and what is being brought.
func (m *Machine) endAccepted(failure *ota.Failure) {
	m.stopBringing()
	run := m.state.Run
	for i := range run.Parts {
		t := m.task(i)
		switch {
		case t.Status.Failed():
			if t.Again {
				t.Again, t.FailedIn, m.dirty = false, run.Attempt, true
				m.endPart(t)
			}
		case t.Step == StepNone && (t.begun() || t.Status == ota.UpgradeConfirmed):
			m.failPart(t, t.failedAs(), failure)
		}
	}
}

// defaultGiveWay is how long a plan that has not begun to switch keeps another
// one away, unless the configuration says otherwise.
const defaultGiveWay = 2 * time.Hour

// givesWay ends the current plan for another one if it has been accepted for a
// long time and has switched nothing: a plan without packages, or one whose bytes
// trickle, must not keep an urgent one away.
func (m *Machine) givesWay(to *ota.Plan) bool {
	run := m.state.Run
	if run.Local != "" || run.switching() || m.underWay() || m.age() < m.giveWay() {
		return false
	}
	m.endAccepted(&ota.Failure{Code: ota.PlanTerminated,
		Detail: fmt.Sprintf("gave way to plan %s after %s without a switch", to.ID, m.giveWay())})
	return true
}

// age is how long the current plan has been there. A clock that is set while the
// agent runs changes nothing. Of what was before its start only the clock knows,
// and is believed where it has not rolled back, and was set at all.
func (m *Machine) age() time.Duration {
	if m.took.After(m.now) {
		m.took = m.now
	}
	return m.now.Sub(m.took)
}

// tookBefore notes when the plan was taken up that a start has found.
func (m *Machine) tookBefore(taken time.Time) {
	m.took = m.now
	if taken.After(m.config.Built) && taken.Before(m.now) {
		m.took = m.now.Add(-m.now.Sub(taken))
	}
}

func (m *Machine) giveWay() time.Duration {
	if m.config.GiveWay > 0 {
		return m.config.GiveWay
	}
	return defaultGiveWay
}
