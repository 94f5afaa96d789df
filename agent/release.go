package agent

import (
	"crypto/sha256"
	"fmt"

	"otafleet/internal/ota"
)

// maxReleaseStep is by how much a release counter may be higher than one that has
// run. Counters that are dates or times stay far below; a mistake like the
// highest number of all would lock the component for ever.
const maxReleaseStep = 1 << 48

// checkRelease refuses a package that is older than what the device was made with,
// or than one that ran, or another one of the same number.
func (m *Machine) checkRelease(t task, p *ota.Package, manifest *ota.Manifest) *ota.Failure {
	if t.has == nil {
		return &ota.Failure{Code: ota.InstallerFailed, Detail: "the device has no such component"}
	}
	if p.Claim != nil {
		return nil // it has no counter; claimed has looked at its version
	}
	c, made, content := t.has, t.made.Release, contentOf(manifest)
	refused := func(format string, args ...any) *ota.Failure {
		return &ota.Failure{Code: ota.DowngradeRefused, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case manifest.Release-c.Release > maxReleaseStep:
		return refused("release %d after %d: a step of more than %d is taken for a mistake", manifest.Release, c.Release,
			int64(maxReleaseStep))
	case manifest.Release < made:
		return refused("release %d, and the device was made with %d", manifest.Release, made)
	case manifest.Release < c.Release && !manifest.AllowDowngrade:
		return refused("release %d, and %d has run", manifest.Release, c.Release)
	case manifest.Release < c.Release && manifest.Expires.IsZero():
		return refused(
			"release %d, and %d has run: a package with allow_downgrade must say until when it is valid (expires)",
			manifest.Release, c.Release)
	case manifest.Release == c.Release && manifest.Release > 0 && c.Content != content && known(c.Content) &&
		known(content):
		return refused("release %d has run with other content: every release needs a counter of its own", manifest.Release)
	}
	return nil
}

func known(d ota.Digest) bool { return d != ota.Digest{} }

// contentOf names what a package becomes after decoding, which a delta has in
// common with the full package of the same release. It is zero for a delta that
// the component's handler decodes in its own way.
func contentOf(manifest *ota.Manifest) ota.Digest {
	h := sha256.New()
	for i := range manifest.Files {
		f := &manifest.Files[i]
		if manifest.Package == ota.Delta && f.Output == nil {
			return ota.Digest{}
		}
		image := f.Image()
		h.Write(image.SHA256[:])
	}
	return ota.Digest(h.Sum(nil))
}
