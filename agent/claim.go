package agent

import (
	"fmt"

	"otafleet/internal/ota"
)

// PlatformTrust says which packages a device takes because its platform vouches for
// them (ota.Claim): whoever can speak for the platform, or for the server that the
// device takes for it, can then have the device run anything.
type PlatformTrust struct {
	// WeakDigests takes files that are named by SHA-1 or MD5 too.
	WeakDigests bool
	// SemVer orders versions as semantic ones, and refuses one that is lower than what
	// runs. Otherwise any version may follow any other.
	SemVer bool
}

// claimed makes the manifest of a package that no one has signed, if the device takes
// such ones.
func (m *Machine) claimed(t task, c *ota.Claim) (*ota.Manifest, *ota.Failure) {
	trust := m.config.Platform
	refused := func(code ota.Code, format string, args ...any) (*ota.Manifest, *ota.Failure) {
		return nil, &ota.Failure{Code: code, Detail: fmt.Sprintf(format, args...)}
	}
	switch problem := c.Problem(); {
	case trust == nil || t.made != nil && t.made.Open != nil:
		return refused(ota.KeyUntrusted, "the package has no signed manifest, and %s takes no other", t.wants.ID)
	case problem != "":
		return refused(ota.ManifestMismatch, "%s", problem)
	case c.Sum.Kind.Weak() && !trust.WeakDigests:
		return refused(ota.KeyUntrusted, "the platform names %s by its %s alone, which this device does not take "+
			"(allow_weak_digest)", c.Name, c.Sum.Kind)
	}
	if trust.SemVer {
		if detail := olderThan(c.Target, t.runs()); detail != "" {
			return refused(ota.DowngradeRefused, "%s", detail)
		}
	}
	manifest := &ota.Manifest{Product: m.id.Product, Component: t.wants.ID, Type: t.wants.Type, Package: ota.Full,
		Target: c.Target, Files: []ota.File{c.File()}}
	if f := &manifest.Files[0]; c.Sum.Kind.Weak() && t.Image == f.ID() &&
		(t.Status == ota.DownloadSucceeded || t.Step != StepNone) {
		f.SHA256 = t.Found
	}
	return manifest, nil
}

// olderThan says why a version must not follow another one; empty if it may. What runs
// need not be a semantic version: it may be of a time before they were used.
func olderThan(target, runs string) string {
	to, valid := ota.ParseSemVer(target)
	if !valid {
		return fmt.Sprintf("%q is not a semantic version, such as 1.2.0, and this device takes no other (versions: semver)",
			target)
	}
	if from, valid := ota.ParseSemVer(runs); valid && to.Compare(from) < 0 {
		return fmt.Sprintf("%s is lower than %s, which runs", target, runs)
	}
	return ""
}

// find notes what a file is by its SHA-256 that only a weak digest has named so far:
// from now on no other file with that digest is taken for it.
func (t task) find(found ota.Digest) *ota.Failure {
	f := &t.manifest.Files[0]
	if f.Claimed == nil || !f.Claimed.Kind.Weak() {
		return nil
	}
	if !known(found) {
		return &ota.Failure{Code: ota.Internal, Detail: "the download has not said which file has come"}
	}
	manifest := *t.manifest
	manifest.Files = []ota.File{*f}
	manifest.Files[0].SHA256 = found
	t.Found, t.manifest = found, &manifest
	return nil
}
