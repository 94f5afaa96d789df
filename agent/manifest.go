package agent

import (
	"crypto/sha256"
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// Opened is what the verification of a package has shown.
type Opened struct {
	manifest *ota.Manifest // nil if the signatures are not those that are asked for
	failure  *ota.Failure  // nil if they are
}

// opened verifies an envelope by the keys of a component: its own, or those of
// the device.
func (c *Config) opened(component string, e ota.Envelope) Opened {
	open := c.Open
	for i := range c.Components {
		if own := c.Components[i].Open; own != nil && c.Components[i].ID == component {
			open = own
		}
	}
	manifest, err := open(e)
	if err != nil {
		return Opened{failure: AsFailure(err, ota.ManifestMismatch)}
	}
	return Opened{manifest: manifest}
}

// Open verifies the package of a local plan, which may take long. Other than
// everything else of a Machine it may be called at any time, from any goroutine.
func (m *Machine) Open(in Install) Opened {
	return m.config.opened(in.Package.Component, in.Package.Envelope)
}

// openManifest verifies the signature, or takes the platform's word where that is
// enough, and holds the manifest against the plan and the device.
func (m *Machine) openManifest(t task, p *ota.Package) (*ota.Manifest, *ota.Failure) {
	var o Opened
	if p.Claim != nil {
		o.manifest, o.failure = m.claimed(t, p.Claim)
	} else {
		o = m.config.opened(t.wants.ID, p.Envelope)
	}
	if o.failure == nil {
		o.failure = m.unfit(t, p, o.manifest)
	}
	if o.failure != nil {
		return nil, o.failure
	}
	return o.manifest, nil
}

// unfit says why a verified manifest is not one for the plan and the device; nil
// if it is.
func (m *Machine) unfit(t task, p *ota.Package, manifest *ota.Manifest) *ota.Failure {
	for _, check := range []func(task, *ota.Package, *ota.Manifest) *ota.Failure{
		m.checkIdentity, m.checkAge, m.checkRelease, m.checkSource, m.checkDelta, m.checkImage, m.checkLoop,
	} {
		if failure := check(t, p, manifest); failure != nil {
			return failure
		}
	}
	return nil
}

// checkIdentity refuses a package that is not the one the plan speaks of, or
// not for this device.
func (m *Machine) checkIdentity(t task, p *ota.Package, manifest *ota.Manifest) *ota.Failure {
	c := t.wants
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
func (m *Machine) checkAge(_ task, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	if !manifest.Expires.IsZero() && !m.notBefore().Before(manifest.Expires) {
		return &ota.Failure{Code: ota.ManifestExpired, Detail: "expired at " + manifest.Expires.UTC().Format(time.RFC3339)}
	}
	return nil
}

// checkSource refuses a package that does not start from what runs. A part that
// is past its download may run something else by now.
func (m *Machine) checkSource(t task, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	c, runs := t.wants, t.runs()
	switch {
	case t.Step != StepNone:
		return nil
	case manifest.Package == ota.Delta && manifest.Source != runs:
		return &ota.Failure{Code: ota.VersionMismatch,
			Detail: fmt.Sprintf("starts from %s, and %s runs", manifest.Source, runs)}
	case manifest.Package == c.Package && !c.StartsFrom(runs):
		return &ota.Failure{Code: ota.VersionMismatch, Detail: fmt.Sprintf("starts from %v, and %s runs", c.Sources, runs)}
	}
	return nil
}

// checkImage refuses another image than the one that lies in the inactive place.
func (m *Machine) checkImage(t task, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	if t.Status == ota.DownloadSucceeded && t.Image != imageOf(manifest) {
		return &ota.Failure{Code: ota.ManifestMismatch, Detail: "is another image than the one that was downloaded"}
	}
	return nil
}

// checkLoop refuses an image that has kept restarting the device.
func (m *Machine) checkLoop(t task, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	s := t.has.RestartCounter
	if s.Restarts > m.maxRestarts() && s.Image == imageOf(manifest) {
		return &ota.Failure{Code: ota.Interrupted, Detail: fmt.Sprintf("this image was given up after %d restarts",
			s.Restarts)}
	}
	return nil
}

// imageOf names the content of a package for the loop breaker: two packages
// with the same files are the same image, whoever signed them.
func imageOf(manifest *ota.Manifest) ota.Digest {
	if len(manifest.Files) == 1 {
		return manifest.Files[0].ID()
	}
	h := sha256.New()
	for i := range manifest.Files {
		h.Write(manifest.Files[i].SHA256[:])
	}
	return ota.Digest(h.Sum(nil))
}
