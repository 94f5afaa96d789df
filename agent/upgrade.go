package agent

import (
	"fmt"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// The results of the running effect, for the active part. Each one moves the
// part on; advance then starts what comes next.

func (m *Machine) active() (int, *Part) {
	i := m.state.Run.active(m.work)
	return i, &m.state.Run.Parts[i]
}

func (m *Machine) fetchStarted() {
	if i, part := m.active(); part.Status == ota.ReadyToDownload {
		m.report(i, ota.Downloading, nil)
	}
}

func (m *Machine) fetchProgressed(in FetchProgressed) {
	if m.progress.Total > 0 && in.Done > m.progress.Done {
		// Should the download be cancelled, it goes on with a clean score.
		i, part := m.active()
		w := &m.work[i]
		w.setbacks, part.Renewed = Setbacks{Spent: w.setbacks.Spent, Held: w.setbacks.Held}, false
	}
	m.progress = in
	if m.connected && m.pace.Due(m.now) {
		i, _ := m.active()
		m.send(&ota.Progress{Time: m.now, Plan: m.state.Run.Plan.ID, Component: m.state.Run.Plan.Components[i].ID,
			Phase: ota.PhaseDownloading, Done: in.Done, Total: in.Total})
	}
}

// fetched ends a download: with the files in place, in need of other addresses,
// or for good.
func (m *Machine) fetched(in Fetched) {
	i, part := m.active()
	m.work[i].setbacks = in.Setbacks
	m.progress = FetchProgressed{}
	part.Renewed = part.Renewed && !in.Gained
	switch {
	case in.Need == ota.AddressMirrors && part.Renewed:
		m.fail(i, ota.DownloadFailed, &ota.Failure{Code: ota.StorageUnavailable, Detail: "all mirrors failed, and the new addresses too"})
	case in.Need != "":
		m.work[i].pkg = nil
		if in.Need == ota.AddressMirrors {
			part.Renewed, m.dirty = true, true
		}
		m.refresh(i, in.Need)
	case in.Failure != nil && m.fallBack(i, in.Failure):
	case in.Failure != nil:
		m.fail(i, ota.DownloadFailed, in.Failure)
	default:
		m.fetchStarted() // every byte may have been in place already
		m.report(i, ota.DownloadSucceeded, nil)
	}
}

// suspect lets the loop breaker count for the image of part i: from the start, or
// on if it was tried before.
func (m *Machine) suspect(i int) *Suspect {
	s := &m.state.Components[m.state.component(m.state.Run.Plan.Components[i].ID)].Suspect
	if image := m.state.Run.Parts[i].Image; s.Image != image {
		*s = Suspect{Image: image}
	}
	return s
}

// staged begins the upgrade proper.
func (m *Machine) staged(in Staged) {
	i, part := m.active()
	part.Staging = false
	if in.Failure != nil {
		part.Full = part.Full || m.unusable(i, in.Failure) // in the next attempt
		m.goBack(part, in.Failure)
		return
	}
	m.suspect(i)
	m.step(part, StepActivate)
	m.report(i, ota.Upgrading, nil)
}

func (m *Machine) activated(in Activated) {
	_, part := m.active()
	switch {
	case in.Failure != nil:
		m.goBack(part, in.Failure)
	case in.Restart == firmware.RestartProcess || in.Restart == firmware.RestartSystem:
		m.owe(part, StepRestart, in.Restart)
	default:
		part.Owed = firmware.RestartNone
		m.step(part, StepTrial)
	}
}

// owe makes a restart due. The boot id tells later whether it has happened.
func (m *Machine) owe(part *Part, step Step, scope firmware.Restart) {
	part.Owed, part.BootID = scope, m.bootID
	m.step(part, step)
}

// healthChecked judges the trial: success means that the component runs the
// target version and every check passes.
func (m *Machine) healthChecked(in HealthChecked) {
	i, part := m.active()
	target, version := m.state.Run.Plan.Components[i].Target, m.runs(i, in.Version)
	switch {
	case version != "" && version != target && part.Owed != firmware.RestartNone && version == part.From:
		detail := "the device fell back to " + version
		if in.Failure != nil {
			detail += ": " + in.Failure.Detail
		}
		m.goBack(part, &ota.Failure{Code: ota.BootFailed, Detail: detail})
	case version != "" && version != target:
		m.goBack(part, &ota.Failure{Code: ota.VerifyFailed, Detail: fmt.Sprintf("runs %s, not %s", version, target)})
	case in.Failure != nil:
		m.goBack(part, in.Failure)
	case version == "":
		m.goBack(part, &ota.Failure{Code: ota.ComponentSilent, Detail: "the component does not say which version it runs"})
	default:
		m.work[i].healthy = true
	}
}

func (m *Machine) confirmed(in Confirmed) {
	i, part := m.active()
	if in.Failure != nil {
		m.goBack(part, in.Failure)
		return
	}
	c := &m.state.Components[m.state.component(m.state.Run.Plan.Components[i].ID)]
	if part.Release >= c.Release {
		c.Release, c.Content = part.Release, part.Content
	}
	c.Suspect = Suspect{}
	m.step(part, StepNone)
	m.runs(i, m.state.Run.Plan.Components[i].Target)
	m.report(i, ota.UpgradeSucceeded, nil)
	m.endPart(i)
	m.announce = true
}

// goBack turns a part towards its previous version. The failure is reported
// when that version runs again.
func (m *Machine) goBack(part *Part, failure *ota.Failure) {
	part.Failure, part.FailedIn, part.Restarts = failure, m.state.Run.Attempt, 0
	m.soaks = time.Time{}
	m.step(part, StepRevert)
}

// goingBack reports whether the previous version is being brought back.
func (p *Part) goingBack() bool { return p.Step == StepRevert || p.Step == StepReturn }

// revertDone ends a try to go back. One that fails is repeated for some minutes:
// a device that reports a failure should run what it ran before.
func (m *Machine) revertDone(in RevertDone) {
	i, part := m.active()
	if w := &m.work[i]; in.Failure != nil && w.failed < maxReverts-1 {
		w.failed++
		w.reverts.arm(m.now, revertWait)
		if w.failed > 1 {
			w.reverts.next(m.now, revertWaitCap)
		}
		return
	}
	if in.Failure != nil {
		part.Failure = &ota.Failure{Code: part.Failure.Code,
			Detail: part.Failure.Detail + "; going back failed: " + in.Failure.Error()}
	}
	if in.Restart == firmware.RestartProcess || in.Restart == firmware.RestartSystem {
		m.owe(part, StepReturn, in.Restart)
		return
	}
	if m.runs(i, in.Version) == "" {
		m.forgetVersion(i)
	}
	m.wentBack(i)
}

// forgetVersion notes that the component of part i is silent after it went back:
// what it ran before need not be what it runs.
func (m *Machine) forgetVersion(i int) {
	k := m.state.component(m.state.Run.Plan.Components[i].ID)
	if k >= 0 && m.state.Components[k].Version != "" {
		m.state.Components[k].Version, m.dirty = "", true
	}
}

// restartMissed goes back from a switch whose restart does not come. On the way
// back nothing more can be done: the device says so, and what it runs.
func (m *Machine) restartMissed(in RestartMissed) {
	i, part := m.active()
	if part.Step == StepRestart {
		m.goBack(part, &ota.Failure{Code: ota.InstallerFailed, Detail: in.Detail})
		return
	}
	part.Failure = &ota.Failure{Code: part.Failure.Code, Detail: part.Failure.Detail + "; going back: " + in.Detail}
	m.wentBack(i)
}

// wentBack reports the failure of a part whose previous version runs again. One
// that had been upgraded goes back only because another failed, which the
// others know.
func (m *Machine) wentBack(i int) {
	part := &m.state.Run.Parts[i]
	m.step(part, StepNone)
	if part.Status == ota.UpgradeSucceeded {
		m.failPart(i, ota.UpgradeFailed, part.Failure)
	} else {
		m.fail(i, ota.UpgradeFailed, part.Failure)
	}
	m.announce = true
}

// fail reports the end of an attempt and lets the plan's other components know:
// later ones are skipped or go on, earlier ones stay or go back.
func (m *Machine) fail(i int, status ota.Status, failure *ota.Failure) {
	m.failPart(i, status, failure)
	run := m.state.Run
	if run.Plan.OnFailure == ota.Continue {
		return
	}
	cause := &run.Parts[i]
	detail := "component " + run.Plan.Components[i].ID + " failed"
	for k := range run.Parts {
		part := &run.Parts[k]
		switch {
		case k == i:
		case k > i && part.Status == ota.UpgradeConfirmed:
			part.FailedIn, part.Again = cause.FailedIn, cause.Again
			m.failPart(k, ota.UpgradeFailed, &ota.Failure{Code: ota.Skipped, Detail: detail})
		case part.Status == ota.UpgradeSucceeded && run.Plan.OnFailure == ota.Revert && m.has(k) && !m.irreversible(k):
			m.goBack(part, &ota.Failure{Code: ota.Reverted, Detail: detail})
			part.FailedIn, part.Again = cause.FailedIn, cause.Again
		case part.Status.Failed() && !cause.Again:
			part.Again, m.work[k] = false, work{} // the attempt is over for all
		}
	}
}

// failPart reports a failed part. Whether it is to be tried again is known
// already if the plan was retried while the part went back.
func (m *Machine) failPart(i int, status ota.Status, failure *ota.Failure) {
	part := &m.state.Run.Parts[i]
	part.Failure = failure
	if part.FailedIn == 0 {
		part.FailedIn = m.state.Run.Attempt
	}
	m.report(i, status, failure)
	m.endPart(i)
}

// endPart drops what an ended attempt needs no more.
func (m *Machine) endPart(i int) {
	m.work[i] = work{}
	m.contact, m.soaks = time.Time{}, time.Time{}
	m.address = backoff{}
	m.effect(Forget{m.state.Run.Plan.Components[i].ID})
}

// runs notes the version of part i's component and returns it; empty if it is no
// version.
func (m *Machine) runs(i int, version string) string {
	if !ota.ValidVersion(version) {
		return ""
	}
	m.learn(m.state.Run.Plan.Components[i].ID, version)
	return version
}

// has reports whether the component of part i is configured.
func (m *Machine) has(i int) bool {
	return m.state.component(m.state.Run.Plan.Components[i].ID) >= 0
}
