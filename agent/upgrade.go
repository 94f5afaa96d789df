package agent

import (
	"fmt"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// The results of the running effect, for the active part. Each one moves the
// part on; advance then starts what comes next.

func (m *Machine) fetchStarted() {
	if t, _ := m.active(); t.Status == ota.ReadyToDownload {
		m.report(t, ota.Downloading, nil)
	}
}

func (m *Machine) fetchProgressed(in FetchProgressed) {
	t, _ := m.active()
	if m.progress.Total > 0 && in.Done > m.progress.Done {
		// Should the download be cancelled, it goes on with a clean score.
		t.setbacks, t.Renewed = Setbacks{Spent: t.setbacks.Spent, Held: t.setbacks.Held}, false
	}
	m.progress = in
	if m.connected && m.pace.Due(m.now) {
		m.send(&ota.Progress{Time: m.now, Plan: m.state.Run.Plan.ID, Component: t.wants.ID,
			Phase: ota.PhaseDownloading, Done: in.Done, Total: in.Total})
	}
}

// fetched ends a download: with the files in place, in need of other addresses,
// or for good.
func (m *Machine) fetched(in Fetched) {
	t, _ := m.active()
	t.setbacks = in.Setbacks
	m.progress = FetchProgressed{}
	t.Renewed = t.Renewed && !in.Gained
	switch {
	case in.Need == ota.AddressMirrors && t.Renewed:
		m.fail(t, ota.DownloadFailed, &ota.Failure{Code: ota.StorageUnavailable,
			Detail: "all mirrors failed, and the new addresses too"})
	case in.Need != "":
		t.pkg = nil
		if in.Need == ota.AddressMirrors {
			t.Renewed, m.dirty = true, true
		}
		m.refresh(t, in.Need)
	case in.Failure != nil && m.fallBack(t, in.Failure):
	case in.Failure != nil:
		m.fail(t, ota.DownloadFailed, in.Failure)
	default:
		m.fetchStarted() // every byte may have been in place already
		if failure := t.find(in.Found); failure != nil {
			m.fail(t, ota.DownloadFailed, failure)
			return
		}
		m.report(t, ota.DownloadSucceeded, nil)
	}
}

// restartCounter lets the loop breaker count for the image of a part: from the start, or on
// if it was tried before.
func (t task) restartCounter() *RestartCounter {
	s := &t.has.RestartCounter
	if s.Image != t.Image {
		*s = RestartCounter{Image: t.Image}
	}
	return s
}

// staged begins the upgrade proper.
func (m *Machine) staged(in Staged) {
	t, _ := m.active()
	t.Staging = false
	if in.Failure != nil {
		t.Full = t.Full || t.unusable(in.Failure) // in the next attempt
		m.rollBack(t, in.Failure)
		return
	}
	t.restartCounter()
	m.step(t, StepActivate)
	m.report(t, ota.Upgrading, nil)
}

func (m *Machine) activated(in Activated) {
	t, _ := m.active()
	switch {
	case in.Failure != nil:
		m.rollBack(t, in.Failure)
	case in.Restart == firmware.RestartProcess || in.Restart == firmware.RestartSystem:
		m.owe(t, StepRestart, in.Restart)
	default:
		t.Owed = firmware.RestartNone
		m.step(t, StepTrial)
	}
}

// owe makes a restart due. The boot id tells later whether it has happened.
func (m *Machine) owe(t task, step Step, scope firmware.Restart) {
	t.Owed, t.BootID = scope, m.bootID
	m.step(t, step)
}

// healthChecked judges the trial: success means that the component runs the
// target version and every check passes.
func (m *Machine) healthChecked(in HealthChecked) {
	t, _ := m.active()
	target, version := t.wants.Target, m.runs(t, in.Version)
	switch {
	case version != "" && version != target && t.Owed != firmware.RestartNone && version == t.From:
		detail := "the device fell back to " + version
		if in.Failure != nil {
			detail += ": " + in.Failure.Detail
		}
		m.rollBack(t, &ota.Failure{Code: ota.BootFailed, Detail: detail})
	case version != "" && version != target:
		m.rollBack(t, &ota.Failure{Code: ota.VerifyFailed, Detail: fmt.Sprintf("runs %s, not %s", version, target)})
	case in.Failure != nil:
		m.rollBack(t, in.Failure)
	case version == "":
		m.rollBack(t, &ota.Failure{Code: ota.ComponentSilent, Detail: "the component does not say which version it runs"})
	default:
		t.healthy = true
	}
}

func (m *Machine) confirmed(in Confirmed) {
	t, _ := m.active()
	if in.Failure != nil {
		m.rollBack(t, in.Failure)
		return
	}
	if t.Release >= t.has.Release {
		t.has.Release, t.has.Content = t.Release, t.Content
	}
	t.has.RestartCounter = RestartCounter{}
	m.step(t, StepNone)
	m.runs(t, t.wants.Target)
	m.report(t, ota.UpgradeSucceeded, nil)
	m.endPart(t)
	m.announce = true
}

// rollBack turns a part towards its previous version. The failure is reported
// when that version runs again.
func (m *Machine) rollBack(t task, failure *ota.Failure) {
	t.Failure, t.FailedIn, t.Restarts = failure, m.state.Run.Attempt, 0
	m.soaks = time.Time{}
	m.step(t, StepRevert)
}

// rollingBack reports whether the previous version is being brought back.
func (p *Part) rollingBack() bool { return p.Step == StepRevert || p.Step == StepReturn }

// revertDone ends a try to roll back. One that fails is repeated for some minutes:
// a device that reports a failure should run what it ran before.
func (m *Machine) revertDone(in RevertDone) {
	t, _ := m.active()
	if in.Failure != nil && t.failed < maxReverts-1 {
		t.failed++
		t.reverts.arm(m.now, revertWait)
		if t.failed > 1 {
			t.reverts.next(m.now, revertWaitCap)
		}
		return
	}
	if in.Failure != nil {
		t.Failure = &ota.Failure{Code: t.Failure.Code,
			Detail: t.Failure.Detail + "; the rollback failed: " + in.Failure.Error()}
	}
	if in.Restart == firmware.RestartProcess || in.Restart == firmware.RestartSystem {
		m.owe(t, StepReturn, in.Restart)
		return
	}
	if m.runs(t, in.Version) == "" && t.runs() != "" {
		// The component is silent: what it ran before need not be what it runs.
		t.has.Version, m.dirty = "", true
	}
	m.rolledBack(t)
}

// restartMissed rolls back from a switch whose restart does not come. In a
// rollback nothing more can be done: the device says so, and what it runs.
func (m *Machine) restartMissed(in RestartMissed) {
	t, _ := m.active()
	if t.Step == StepRestart {
		m.rollBack(t, &ota.Failure{Code: ota.InstallerFailed, Detail: in.Detail})
		return
	}
	t.Failure = &ota.Failure{Code: t.Failure.Code, Detail: t.Failure.Detail + "; the rollback: " + in.Detail}
	m.rolledBack(t)
}

// rolledBack reports the failure of a part whose previous version runs again. One
// that had been upgraded rolls back only because another failed, which the
// others know.
func (m *Machine) rolledBack(t task) {
	m.step(t, StepNone)
	if t.Status == ota.UpgradeSucceeded {
		m.failPart(t, ota.UpgradeFailed, t.Failure)
	} else {
		m.fail(t, ota.UpgradeFailed, t.Failure)
	}
	m.announce = true
}

// fail reports the end of an attempt and lets the plan's other components know:
// later ones are skipped or go on, earlier ones stay or roll back.
func (m *Machine) fail(cause task, status ota.Status, failure *ota.Failure) {
	m.failPart(cause, status, failure)
	run := m.state.Run
	if run.Plan.OnFailure == ota.Continue {
		return
	}
	detail := "component " + cause.wants.ID + " failed"
	for k := range run.Parts {
		t := m.task(k)
		switch {
		case k == cause.i:
		case k > cause.i && t.Status == ota.UpgradeConfirmed:
			t.FailedIn, t.Again = cause.FailedIn, cause.Again
			m.failPart(t, ota.UpgradeFailed, &ota.Failure{Code: ota.Skipped, Detail: detail})
		case t.Status == ota.UpgradeSucceeded && run.Plan.OnFailure == ota.Revert && t.has != nil && !t.irreversible():
			m.rollBack(t, &ota.Failure{Code: ota.Reverted, Detail: detail})
			t.FailedIn, t.Again = cause.FailedIn, cause.Again
		case t.Status.Failed() && !cause.Again:
			t.Again, *t.work = false, work{} // the attempt is over for all
		}
	}
}

// failPart reports a failed part. Whether it is to be tried again is known
// already if the plan was retried while the part rolled back.
func (m *Machine) failPart(t task, status ota.Status, failure *ota.Failure) {
	t.Failure = failure
	if t.FailedIn == 0 {
		t.FailedIn = m.state.Run.Attempt
	}
	m.report(t, status, failure)
	m.endPart(t)
}

// endPart drops what an ended attempt needs no more.
func (m *Machine) endPart(t task) {
	*t.work = work{}
	m.contact, m.soaks = time.Time{}, time.Time{}
	m.address = search{}
	m.effect(Forget{t.wants.ID})
}

// runs notes the version of a part's component and returns it; empty if it is no
// version.
func (m *Machine) runs(t task, version string) string {
	if !ota.ValidVersion(version) {
		return ""
	}
	m.learn(t.wants.ID, version)
	return version
}
