package agent

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"otafleet/internal/ota"
)

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

// imageOf names the content of a package for the loop breaker: two packages
// with the same files are the same image, whoever signed them.
func imageOf(manifest *ota.Manifest) ota.Digest {
	if len(manifest.Files) == 1 {
		return manifest.Files[0].SHA256
	}
	h := sha256.New()
	for i := range manifest.Files {
		h.Write(manifest.Files[i].SHA256[:])
	}
	return ota.Digest(h.Sum(nil))
}

// openManifest verifies the signature and holds the manifest against the plan
// and the device.
func (m *Machine) openManifest(i int, p *ota.Package) (*ota.Manifest, *ota.Failure) {
	o := m.config.opened(m.state.Run.Plan.Components[i].ID, p.Envelope)
	if o.failure == nil {
		o.failure = m.unfit(i, p, o.manifest)
	}
	if o.failure != nil {
		return nil, o.failure
	}
	return o.manifest, nil
}

// unfit says why a verified manifest is not one for the plan and the device; nil
// if it is.
func (m *Machine) unfit(i int, p *ota.Package, manifest *ota.Manifest) *ota.Failure {
	for _, check := range []func(int, *ota.Package, *ota.Manifest) *ota.Failure{
		m.checkIdentity, m.checkAge, m.checkRelease, m.checkSource, m.checkDelta, m.checkImage, m.checkLoop,
	} {
		if failure := check(i, p, manifest); failure != nil {
			return failure
		}
	}
	return nil
}

// asFailure gives err a code, unless it carries one of the protocol's.
func asFailure(err error, code ota.Code) *ota.Failure {
	var failure *ota.Failure
	if errors.As(err, &failure) && failure.Code.Known() {
		return failure
	}
	return &ota.Failure{Code: code, Detail: err.Error()}
}

// checkIdentity refuses a package that is not the one the plan speaks of, or
// not for this device.
func (m *Machine) checkIdentity(i int, p *ota.Package, manifest *ota.Manifest) *ota.Failure {
	c := &m.state.Run.Plan.Components[i]
	for _, f := range []struct{ what, got, want string }{
		{"product", manifest.Product, m.id.Product},
		{"component", manifest.Component, c.ID},
		{"type", string(manifest.Type), string(c.Type)},
		{"package kind", string(manifest.Package), string(kindFor(c, manifest))},
		{"target", manifest.Target, c.Target},
	} {
		if f.got != f.want {
			return &ota.Failure{Code: ota.ManifestMismatch, Detail: fmt.Sprintf("%s is %q, not %q", f.what, f.got, f.want)}
		}
	}
	if !m.fitsHardware(manifest.Hardware) {
		return &ota.Failure{Code: ota.ManifestMismatch,
			Detail: fmt.Sprintf("is for hardware %v, not %q", manifest.Hardware, m.config.Hardware)}
	}
	for k := range manifest.Files {
		if !hasAddress(p, manifest.Files[k].Name) {
			return &ota.Failure{Code: ota.ManifestMismatch, Detail: "no address for file " + manifest.Files[k].Name}
		}
	}
	return nil
}

// kindFor is the kind that a package must have. A full one is taken in the place
// of a delta: it brings the same version.
func kindFor(c *ota.PlanComponent, manifest *ota.Manifest) ota.PackageKind {
	if c.Package == ota.Delta && manifest.Package == ota.Full {
		return ota.Full
	}
	return c.Package
}

func (m *Machine) fitsHardware(revisions []string) bool {
	for _, r := range revisions {
		if r == m.config.Hardware && r != "" {
			return true
		}
	}
	return len(revisions) == 0
}

func hasAddress(p *ota.Package, file string) bool {
	for i := range p.Files {
		if p.Files[i].Name == file {
			return true
		}
	}
	return false
}

// checkAge refuses a package that has expired.
func (m *Machine) checkAge(_ int, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	if !manifest.Expires.IsZero() && !m.notBefore().Before(manifest.Expires) {
		return &ota.Failure{Code: ota.ManifestExpired, Detail: "expired at " + manifest.Expires.UTC().Format(time.RFC3339)}
	}
	return nil
}

// checkSource refuses a package that does not start from what runs. A part that
// is past its download may run something else by now.
func (m *Machine) checkSource(i int, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	c := &m.state.Run.Plan.Components[i]
	runs := m.version(c.ID)
	switch {
	case m.state.Run.Parts[i].Step != StepNone:
		return nil
	case manifest.Package == ota.Delta && manifest.Source != runs:
		return &ota.Failure{Code: ota.VersionMismatch, Detail: fmt.Sprintf("starts from %s, and %s runs", manifest.Source, runs)}
	case manifest.Package == c.Package && !c.StartsFrom(runs):
		return &ota.Failure{Code: ota.VersionMismatch, Detail: fmt.Sprintf("starts from %v, and %s runs", c.Sources, runs)}
	}
	return nil
}

// checkImage refuses another image than the one that lies in the inactive place.
func (m *Machine) checkImage(i int, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	part := &m.state.Run.Parts[i]
	if part.Status == ota.DownloadSucceeded && part.Image != imageOf(manifest) {
		return &ota.Failure{Code: ota.ManifestMismatch, Detail: "is another image than the one that was downloaded"}
	}
	return nil
}

// checkLoop refuses an image that has kept restarting the device.
func (m *Machine) checkLoop(i int, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	s := m.state.Components[m.state.component(m.state.Run.Plan.Components[i].ID)].Suspect
	if s.Restarts > m.maxRestarts() && s.Image == imageOf(manifest) {
		return &ota.Failure{Code: ota.Interrupted, Detail: fmt.Sprintf("this image was given up after %d restarts", s.Restarts)}
	}
	return nil
}
