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
	if run.Parts[i].Status.Failed() {
		m.tryAgain(i, p.Attempt)
	}
	if p.Attempt > run.Attempt {
		run.Attempt = p.Attempt
		m.dirty = true
	}
	m.keepPackage(i, p)
}

// wants reports whether an address is of use to a part. The first one of each part
// is the plan's; whatever comes later leads to more writes.
func (m *Machine) wants(part *Part, p *ota.Package) bool {
	failed := part.Status.Failed()
	switch {
	case part.Step != StepNone || part.Status.Done(), failed && (p.Attempt <= part.FailedIn || m.outbox.Len() > maxPending):
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
	i := run.Plan.Component(in.Component)
	if i < 0 || i != run.active(m.work) || run.Parts[i].Step != StepNone || m.work[i].pkg != nil {
		return
	}
	m.refusePackage(i, &ota.Failure{Code: ota.ManifestMismatch, Detail: in.Detail})
}

// tryAgain prepares a failed part for another attempt, and with it the others
// that failed, unless each of them stands for itself.
func (m *Machine) tryAgain(i, attempt int) {
	run := m.state.Run
	for k := range run.Parts {
		part := &run.Parts[k]
		together := run.Plan.OnFailure != ota.Continue && part.Status.Failed() && part.FailedIn < attempt
		if k == i || together && m.has(k) {
			part.Again = true
			m.dirty = true
		}
	}
}

// keepPackage keeps an address until the part's turn. If the part is being
// downloaded already, the download goes on from the new address.
func (m *Machine) keepPackage(i int, p *ota.Package) {
	w := &m.work[i]
	busy := m.running != 0 && m.state.Run.active(m.work) == i
	if busy && m.state.Run.Parts[i].Status == ota.DownloadSucceeded {
		return // the files are in place; no address is needed any more
	}
	if w.manifest != nil && w.pkg != nil {
		// Part way through: an address that does not verify must not stop a
		// download that does.
		if _, failure := m.openManifest(i, p); failure != nil {
			return
		}
	}
	// The message is acknowledged although this is on no disk before the download
	// begins. That is sound: what a restart takes, the device asks for again (refresh),
	// and a package is sent as often as it is asked for.
	w.pkg, w.manifest = p, nil
	if busy {
		m.effect(Cancel{m.running})
		m.running = 0
	}
	if i == m.state.Run.active(m.work) {
		m.address = backoff{}
	}
}

// takePackage verifies the manifest that came with the address of the active
// part and, the first time in an attempt, reports that the part is ready. It
// returns false if the part has failed or the address is of no use.
func (m *Machine) takePackage(i int) bool {
	w := &m.work[i]
	if w.manifest != nil {
		return true
	}
	part := &m.state.Run.Parts[i]
	manifest, failure := m.openManifest(i, w.pkg)
	if failure != nil {
		w.pkg = nil
		if !m.fallBack(i, failure) {
			m.refusePackage(i, failure)
		}
		return false
	}
	w.manifest = manifest
	m.raiseFloor(manifest.Created)
	part.Image, part.Release, part.Content = imageOf(manifest), manifest.Release, contentOf(manifest)
	if !part.begun() {
		m.begin(i)
	}
	return true
}

// begin opens an attempt on part i.
func (m *Machine) begin(i int) {
	part := &m.state.Run.Parts[i]
	part.From = m.version(m.state.Run.Plan.Components[i].ID)
	part.Again, part.Renewed, part.Staging, part.FailedIn, part.Failure = false, false, false, 0, nil
	m.report(i, ota.ReadyToDownload, nil)
}

// refusePackage reports a manifest that the device does not take: straight from
// the confirmation at first, by way of a failed download on a retry (the
// protocol's rule 7.3).
func (m *Machine) refusePackage(i int, failure *ota.Failure) {
	switch status := m.state.Run.Parts[i].Status; {
	case status.Failed():
		m.begin(i)
		m.fail(i, ota.DownloadFailed, failure)
	case status == ota.ReadyToDownload || status == ota.Downloading:
		m.fail(i, ota.DownloadFailed, failure)
	default:
		m.fail(i, ota.UpgradeFailed, failure)
	}
}
