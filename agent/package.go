package agent

import "otafleet/internal/ota"

// packageArrived takes the address of a component's package. One for a later
// component is kept, one for a finished component is ignored, one for a failed
// component is a retry if its attempt is higher than the failed one.
func (m *Machine) packageArrived(p *ota.Package) {
	run := m.state.Run
	if run == nil || run.Plan.ID != p.Plan || run.Local != "" || run.Answer != Accepted ||
		p.Attempt < run.Attempt || p.Attempt-run.Attempt > maxAttemptStep {
		return
	}
	i := run.Plan.Component(p.Component)
	if i < 0 || !m.wants(&run.Parts[i], p) {
		return
	}
	t := m.task(i)
	if t.Status.Failed() {
		m.tryAgain(t, p.Attempt)
	}
	if p.Attempt > run.Attempt {
		run.Attempt = p.Attempt
		m.dirty = true
	}
	m.keepPackage(t, p)
}

// wants reports whether an address is of use to a part. The first one of each part
// is the plan's; whatever comes later leads to more writes.
func (m *Machine) wants(part *Part, p *ota.Package) bool {
	failed := part.Status.Failed()
	switch {
	case part.Step != StepNone || part.Status.Done(), failed &&
		(p.Attempt <= part.FailedIn || m.outbox.Len() > maxPending):
		return false
	case failed || part.begun() || p.Attempt > m.state.Run.Attempt:
		return m.mayChange()
	}
	return true
}

// badPackage ends the attempt of a part that waits for the address which could not
// be accepted: asked for again, it would be the same. One that has an address
// goes on with that.
func (m *Machine) badPackage(in BadPackage) {
	run := m.state.Run
	if run == nil || run.Plan.ID != in.Plan || run.Local != "" || run.Answer != Accepted || in.Attempt != run.Attempt {
		return
	}
	if t, found := m.active(); found && t.wants.ID == in.Component && t.needsPackage() {
		m.refusePackage(t, &ota.Failure{Code: ota.ManifestMismatch, Detail: in.Detail})
	}
}

// tryAgain prepares a failed part for another attempt, and with it the others
// that failed, unless each of them stands for itself.
func (m *Machine) tryAgain(t task, attempt int) {
	run := m.state.Run
	for k := range run.Parts {
		other := m.task(k)
		together := run.Plan.OnFailure != ota.Continue && other.Status.Failed() && other.FailedIn < attempt
		if k == t.i || together && other.has != nil {
			other.Again = true
			m.dirty = true
		}
	}
}

// keepPackage keeps an address until the part's turn. If the part is being
// downloaded already, the download goes on from the new address.
func (m *Machine) keepPackage(t task, p *ota.Package) {
	busy := m.running != 0 && m.state.Run.active(m.work) == t.i
	if busy && t.Status == ota.DownloadSucceeded {
		return // the files are in place; no address is needed any more
	}
	if t.manifest != nil && t.pkg != nil {
		// Part way through: an address that does not verify must not stop a
		// download that does.
		if _, failure := m.openManifest(t, p); failure != nil {
			return
		}
	}
	// The message is acknowledged although this is on no disk before the download
	// begins. That is sound: what a restart takes, the device asks for again (refresh),
	// and a package is sent as often as it is asked for.
	t.pkg, t.manifest = p, nil
	if busy {
		m.effect(Cancel{m.running})
		m.running = 0
	}
	if t.i == m.state.Run.active(m.work) {
		m.address = search{}
	}
}

// takePackage verifies the manifest that came with the address of the active
// part and, the first time in an attempt, reports that the part is ready. It
// returns false if the part has failed or the address is of no use.
func (m *Machine) takePackage(t task) bool {
	if t.manifest != nil {
		return true
	}
	manifest, failure := m.openManifest(t, t.pkg)
	if failure != nil {
		t.pkg = nil
		if !m.fallBack(t, failure) {
			m.refusePackage(t, failure)
		}
		return false
	}
	t.manifest = manifest
	m.raiseFloor(manifest.Created)
	t.Image, t.Release, t.Content = imageOf(manifest), manifest.Release, contentOf(manifest)
	if !t.begun() {
		m.begin(t)
	}
	return true
}

// begin opens an attempt on a part.
func (m *Machine) begin(t task) {
	t.From = t.runs()
	t.Again, t.Renewed, t.Staging, t.FailedIn, t.Failure, t.Found = false, false, false, 0, nil, ota.Digest{}
	m.report(t, ota.ReadyToDownload, nil)
}

// refusePackage reports a manifest that the device does not take: straight from
// the confirmation at first, by way of a failed download on a retry (the
// protocol's rule 7.3).
func (m *Machine) refusePackage(t task, failure *ota.Failure) {
	switch status := t.Status; {
	case status.Failed():
		m.begin(t)
		m.fail(t, ota.DownloadFailed, failure)
	case status == ota.ReadyToDownload || status == ota.Downloading:
		m.fail(t, ota.DownloadFailed, failure)
	default:
		m.fail(t, ota.UpgradeFailed, failure)
	}
}
