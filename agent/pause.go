package agent

import (
	"fmt"
	"slices"
	"time"

	"otafleet/internal/ota"
)

// PauseRequested is the operator's wish that nothing new begins: no plan is
// accepted, no download goes on, nothing is switched. What is being switched
// already goes on to its end, since a device must not stay between two versions.
type PauseRequested struct{ Reason string }

// ResumeRequested takes a PauseRequested back.
type ResumeRequested struct{}

func (PauseRequested) input()  {}
func (ResumeRequested) input() {}

// pause is kept over restarts. What the running effect has brought stays in the
// inactive place.
func (m *Machine) pause(in PauseRequested) {
	if m.state.Paused != nil {
		return
	}
	m.state.Paused = &Pause{Since: m.stamp(), Reason: in.Reason}
	m.dirty = true
	m.stopBringing()
}

// stopBringing stops the running effect if it brings a package or stages it.
func (m *Machine) stopBringing() {
	if m.running == 0 || m.kind != fetching && m.kind != staging {
		return
	}
	t, _ := m.active()
	t.Staging = false
	m.effect(Cancel{m.running})
	m.running = 0
}

// resume lets the device go on, and asks for a plan that was refused meanwhile.
func (m *Machine) resume() {
	if m.state.Paused == nil {
		return
	}
	m.state.Paused = nil
	m.dirty = true
	m.reconsider()
}

// stamp is the time as it is kept on disk.
func (m *Machine) stamp() time.Time {
	at := m.now.UTC().Truncate(time.Millisecond)
	if at.Year() < 1970 || at.Year() > 9999 {
		return time.Time{} // a clock that was never set
	}
	return at
}

// hold is why the next step of a plan in progress does not begin.
type hold struct {
	why   situation
	until time.Time // when it is looked at again; zero where something must happen first
}

// held says what holds back a part whose package is there; the zero hold if
// nothing does. Bytes may be fetched at any time; the switch needs a device that
// is not busy and, unless the operator stands before it, an open window. Once a
// component of a plan has been switched the others follow, so that the device
// does not stay between two versions until the next night.
func (m *Machine) held(t task) hold {
	run := m.state.Run
	switch opens, shut := m.closed(); {
	case m.state.Paused != nil:
		return hold{why: inPause}
	case t.Status != ota.DownloadSucceeded || m.underWay():
		return hold{}
	case m.readings.Busy:
		return hold{why: waitsForQuiet}
	case run.Local == "" && shut:
		return hold{why: waitsForWindow, until: opens}
	}
	return hold{}
}

// holding is what holds back the part whose turn it is.
func (m *Machine) holding() hold {
	if m.running != 0 {
		return hold{}
	}
	t, found := m.active()
	if !found || t.Step != StepNone || t.pkg == nil {
		return hold{}
	}
	return m.held(t)
}

// underWay reports whether a component of the plan has been switched since the
// device took the plan up, and nothing has failed since.
func (m *Machine) underWay() bool {
	run := m.state.Run
	return run.Attempt == run.Plan.Attempt && slices.ContainsFunc(run.Parts, func(p Part) bool {
		return p.Status == ota.UpgradeSucceeded && !p.At.Before(run.Taken)
	})
}

// outsideWindow refuses a plan until the next maintenance window opens.
func (m *Machine) outsideWindow() *refusal {
	opens, shut := m.closed()
	if !shut || m.state.Run.Local != "" || !m.needsWork() {
		return nil
	}
	return &refusal{reason: ota.ReasonWindow, retryAt: opens, detail: openingSentence(opens)}
}

// obstacle says why the device cannot accept the current plan now, apart from
// the operator; nil if it can.
func (m *Machine) obstacle() *refusal {
	if r := m.objection(); r != nil {
		return r
	}
	return m.outsideWindow()
}

// paused refuses a plan while the operator wants nothing new.
func (m *Machine) paused() *refusal {
	if m.state.Paused == nil {
		return nil
	}
	detail := "the operator has paused the agent"
	if reason := m.state.Paused.Reason; reason != "" {
		detail = fmt.Sprintf("%s: %s", detail, reason)
	}
	return &refusal{reason: ota.ReasonBusy, detail: detail}
}
