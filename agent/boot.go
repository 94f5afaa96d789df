package agent

import (
	"fmt"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// boot takes what the start found, and settles what the restart means for an
// upgrade in progress. Then advance goes on by the state alone.
func (m *Machine) boot(in Booted) {
	m.booted, m.bootID, m.readings, m.measured = true, in.BootID, in.Readings, m.now
	for _, found := range in.Components {
		m.found(found)
	}
	run := m.state.Run
	if run == nil {
		return
	}
	m.tookBefore(run.Taken)
	m.dropUnconfigured()
	if i := run.active(nil); i >= 0 && (run.Parts[i].Step != StepNone || run.Parts[i].stagingNow()) {
		m.restarted(m.task(i))
	}
	m.lost()
}

// found notes one component's version and takes up the package kept for it, or
// drops one that is of no use any more.
func (m *Machine) found(f Found) {
	if m.state.component(f.ID) < 0 {
		return
	}
	m.learn(f.ID, f.Version)
	switch i := m.keptFor(f); {
	case f.Package == nil:
	case i < 0:
		m.effect(Forget{f.ID})
	default:
		t := m.task(i)
		t.pkg = f.Package
		if t.Step != StepNone {
			// The files are staged; the manifest is only good to name them.
			t.manifest, _ = m.openManifest(t, f.Package)
		}
	}
}

// inspected notes what a component runs. The platform hears of it, and sends the
// plan again that was refused because the component was silent.
func (m *Machine) inspected(in Inspected) {
	if m.learn(in.Component, in.Version) {
		m.announce = true
		m.reconsider()
	}
}

// learn notes which version a component runs, and reports whether that is news.
// What is no version is none: it could be neither reported nor saved.
func (m *Machine) learn(component, version string) bool {
	k := m.state.component(component)
	if k < 0 || !ota.ValidVersion(version) || m.state.Components[k].Version == version {
		return false
	}
	m.state.Components[k].Version, m.dirty = version, true
	return true
}

// keptFor returns the part in work that a kept package is for; -1 if none.
func (m *Machine) keptFor(f Found) int {
	run := m.state.Run
	if run == nil || f.Package == nil || f.Package.Plan != run.Plan.ID || f.Package.Component != f.ID {
		return -1
	}
	if i := run.Plan.Component(f.ID); i >= 0 && (run.Parts[i].Step != StepNone || run.Parts[i].begun()) {
		return i
	}
	return -1
}

// dropUnconfigured ends the parts whose component is no longer configured:
// nothing can be done for them any more.
func (m *Machine) dropUnconfigured() {
	run := m.state.Run
	for i := range run.Parts {
		t := m.task(i)
		switch {
		case t.has != nil || run.Answer != Accepted:
		case t.Step == StepNone && !t.Status.InProgress():
			t.Again = false
		default:
			m.dropPart(t)
		}
	}
}

func (m *Machine) dropPart(t task) {
	t.Again = false
	if t.rollingBack() {
		m.rolledBack(t)
		return
	}
	status := t.failedAs()
	m.step(t, StepNone)
	m.fail(t, status, &ota.Failure{Code: ota.InstallerFailed, Detail: "the component is not configured any more"})
}

// restarted settles a restart in the middle of an upgrade, its staging included:
// the one that was owed, or an unasked one, which is counted.
func (m *Machine) restarted(t task) {
	owed := t.Step == StepRestart || t.Step == StepReturn
	happened := owed && (t.Owed != firmware.RestartSystem || t.BootID != m.bootID)
	switch {
	case happened && t.Step == StepRestart:
		m.step(t, StepTrial)
	case happened:
		m.rolledBack(t)
	default:
		m.countRestart(t)
	}
}

// countRestart breaks loops: after too many restarts the device rolls back, and
// if it restarts as often in the rollback it reports where it stands.
func (m *Machine) countRestart(t task) {
	m.dirty = true
	if t.rollingBack() {
		t.Restarts++
		if t.Restarts > m.maxRestarts() {
			t.Failure = &ota.Failure{Code: t.Failure.Code,
				Detail: t.Failure.Detail + "; the rollback was given up after too many restarts"}
			m.rolledBack(t)
		}
		return
	}
	s := t.restartCounter()
	s.Restarts++
	switch {
	case s.Restarts > m.maxRestarts():
		m.rollBack(t, &ota.Failure{Code: ota.Interrupted, Detail: fmt.Sprintf("%d restarts within the upgrade", s.Restarts)})
	case t.Step == StepConfirm:
		// The cut may have sent the component back to its previous version.
		m.step(t, StepTrial)
	}
}
