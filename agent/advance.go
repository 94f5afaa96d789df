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
	for m.running == 0 && m.state.Run != nil {
		i := m.state.Run.active(m.work)
		if i < 0 {
			return
		}
		part := &m.state.Run.Parts[i]
		if part.Step != StepNone {
			m.advanceStep(i, part)
			return
		}
		if m.work[i].pkg == nil {
			return // waiting for an address
		}
		if m.held(i).why != nothing {
			return // waiting for its hour
		}
		if m.takePackage(i) {
			m.advanceStatus(i, part)
		}
		// A refused package leaves the turn to another part.
	}
}

// advanceStatus starts what the status of a part calls for.
func (m *Machine) advanceStatus(i int, part *Part) {
	w := &m.work[i]
	if part.Status == ota.DownloadSucceeded {
		if !part.Staging {
			part.Staging, m.dirty = true, true
			m.suspect(i)
		}
		m.effect(Stage{m.start(staging), m.job(i)})
		return
	}
	w.setbacks.Renewed = part.Renewed
	m.effect(Fetch{Op: m.start(fetching), Job: m.job(i), Package: w.pkg, Setbacks: w.setbacks, Local: m.state.Run.Local})
}

// advanceStep starts what the step within an upgrade calls for.
func (m *Machine) advanceStep(i int, part *Part) {
	switch part.Step {
	case StepActivate:
		m.effect(Activate{m.start(activating), m.job(i)})
	case StepRestart, StepReturn:
		m.effect(Restart{m.start(restarting), part.Owed})
	case StepTrial:
		m.advanceTrial(i, part)
	case StepConfirm:
		m.effect(Confirm{m.start(confirming), m.job(i)})
	case StepRevert:
		if w := &m.work[i]; w.failed == 0 || w.reverts.due(m.now) {
			m.effect(Revert{m.start(reverting), m.job(i)})
		}
	}
}

// advanceTrial lets a new version become permanent after its checks have passed
// and the platform has been reached.
func (m *Machine) advanceTrial(i int, part *Part) {
	switch {
	case !m.work[i].healthy:
		m.effect(CheckHealth{m.start(checking), m.job(i)})
	case m.connected || m.local():
		m.soak(i, part)
	case m.contact.IsZero():
		m.contact = m.now.Add(m.contactTimeout())
	}
}

// soak makes a healthy version permanent when it has run for its time, and its
// checks have passed once more.
func (m *Machine) soak(i int, part *Part) {
	w, wait := &m.work[i], m.config.Soak
	if part.Owed != firmware.RestartNone {
		wait = m.config.RestartSoak
	}
	switch {
	case wait <= 0 || w.soaked:
		m.step(part, StepConfirm)
		m.effect(Confirm{m.start(confirming), m.job(i)})
	case m.soaks.IsZero():
		m.soaks = m.now.Add(wait)
	case !m.now.Before(m.soaks):
		m.soaks, w.soaked = time.Time{}, true
		m.effect(CheckHealth{m.start(checking), m.job(i)})
	}
}

// step moves a part within its upgrade, durably.
func (m *Machine) step(part *Part, to Step) {
	part.Step = to
	m.dirty = true
}
