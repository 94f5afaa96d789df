package agent

import (
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// effectKind tells the effects apart, so that only the result that belongs to
// the running one is taken.
type effectKind uint8

const (
	fetching effectKind = iota
	staging
	activating
	restarting
	checking
	confirming
	reverting
)

// effectEnded takes the result of the running effect. Any other result is of an
// effect that was cancelled.
func (m *Machine) effectEnded(in Input) {
	switch in := in.(type) {
	case Fetched:
		if m.ended(in.Op, fetching) {
			m.fetched(in)
		}
	case Staged:
		if m.ended(in.Op, staging) {
			m.staged(in)
		}
	case Activated:
		if m.ended(in.Op, activating) {
			m.activated(in)
		}
	case HealthChecked:
		if m.ended(in.Op, checking) {
			m.healthChecked(in)
		}
	case Confirmed:
		if m.ended(in.Op, confirming) {
			m.confirmed(in)
		}
	case RevertDone:
		if m.ended(in.Op, reverting) {
			m.revertDone(in)
		}
	case RestartMissed:
		if m.ended(in.Op, restarting) {
			m.restartMissed(in)
		}
	}
}

func (m *Machine) current(op Op, kind effectKind) bool {
	return op != 0 && op == m.running && kind == m.kind
}

func (m *Machine) ended(op Op, kind effectKind) bool {
	if !m.current(op, kind) {
		return false
	}
	m.running = 0
	return true
}

// start numbers an effect that is about to run.
func (m *Machine) start(kind effectKind) Op {
	m.op++
	m.running, m.kind = m.op, kind
	return m.op
}

// advance starts the one effect that the state calls for, if none is running.
// Because it looks only at the state, a restarted device goes on by the same
// rules as one that was never cut.
func (m *Machine) advance() {
	for m.running == 0 {
		t, found := m.active()
		switch {
		case !found:
			return
		case t.Step != StepNone:
			m.advanceStep(t)
			return
		case t.pkg == nil: // waiting for its package
			return
		case m.held(t).why != nothing: // waiting for its hour
			return
		}
		if m.takePackage(t) {
			m.advanceStatus(t)
		}
		// A refused package leaves the turn to another part.
	}
}

// advanceStatus starts what the status of a part calls for.
func (m *Machine) advanceStatus(t task) {
	if t.Status == ota.DownloadSucceeded {
		if !t.Staging {
			t.Staging, m.dirty = true, true
			t.restartCounter()
		}
		m.effect(Stage{m.start(staging), t.job()})
		return
	}
	t.setbacks.Renewed = t.Renewed
	m.effect(Fetch{Op: m.start(fetching), Job: t.job(), Package: t.pkg, Setbacks: t.setbacks, Local: m.state.Run.Local})
}

// advanceStep starts what the step within an upgrade calls for.
func (m *Machine) advanceStep(t task) {
	switch t.Step {
	case StepActivate:
		m.effect(Activate{m.start(activating), t.job()})
	case StepRestart, StepReturn:
		m.effect(Restart{m.start(restarting), t.Owed})
	case StepTrial:
		m.advanceTrial(t)
	case StepConfirm:
		m.effect(Confirm{m.start(confirming), t.job()})
	case StepRevert:
		if t.failed == 0 || t.reverts.due(m.now) {
			m.effect(Revert{m.start(reverting), t.job()})
		}
	}
}

// advanceTrial lets a new version become permanent after its checks have passed
// and the platform has been reached.
func (m *Machine) advanceTrial(t task) {
	switch {
	case !t.healthy:
		m.effect(CheckHealth{m.start(checking), t.job()})
	case m.connected || m.local():
		m.soak(t)
	case m.contact.IsZero():
		m.contact = m.now.Add(m.contactTimeout())
	}
}

// soak makes a healthy version permanent when it has run for its time, and its
// checks have passed once more.
func (m *Machine) soak(t task) {
	wait := m.config.Soak
	if t.Owed != firmware.RestartNone {
		wait = m.config.RestartSoak
	}
	switch {
	case wait <= 0 || t.soaked:
		m.step(t, StepConfirm)
		m.effect(Confirm{m.start(confirming), t.job()})
	case m.soaks.IsZero():
		m.soaks = m.now.Add(wait)
	case !m.now.Before(m.soaks):
		m.soaks, t.soaked = time.Time{}, true
		m.effect(CheckHealth{m.start(checking), t.job()})
	}
}

// step moves a part within its upgrade, durably.
func (m *Machine) step(t task, to Step) {
	t.Step = to
	m.dirty = true
}
