package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"time"

	"otafleet/internal/ota"
)

// Bounds of a version package's fields, those of the platform's form.
const (
	MaxPackageName = 100 // characters
	MaxRemarks     = 200 // characters
)

// packageKey is what a plan's component finds its package by. The source is
// empty for a full package, which is matched by its target alone.
type packageKey struct {
	product, component string
	kind               ota.ComponentType
	source, target     string
}

// versionPackage is one package of the catalog.
type versionPackage struct {
	view PackageView // but for what is in use, and the verification
	size int64       // bytes to transfer
	// largest is the size of the largest file in bytes: what a device has to
	// have free.
	largest int64
	check   *verification // the last one; nil without any
	number  int           // counts the packages in order of addition
}

func (v *versionPackage) key() packageKey {
	return packageKey{
		product: v.view.Product, component: v.view.Component, kind: v.view.Type,
		source: v.view.Source, target: v.view.Target,
	}
}

// Reference names a package, and is the beginning of its objects' keys. A version
// that would be more than one word of such a key stands in it by its hash.
func Reference(m *ota.Manifest) string {
	parts := []string{m.Product, m.Component, string(m.Package)}
	for _, version := range []string{m.Source, m.Target} {
		switch {
		case version == "":
			continue
		case !ota.ValidFileName(version):
			sum := sha256.Sum256([]byte(version))
			version = "~" + hex.EncodeToString(sum[:8])
		}
		parts = append(parts, version)
	}
	return path.Join(parts...)
}

// PackageID is the id of the package that is added with a reference: 16
// hexadecimal digits, so it is safe in a path whatever its version is called.
func PackageID(reference string) string {
	sum := sha256.Sum256([]byte(reference))
	return hex.EncodeToString(sum[:8])
}

// MayAdd says what keeps a package from the catalog, without putting it there.
func (e *Engine) MayAdd(cmd AddPackage) error {
	err := checkManifest(&cmd.Manifest)
	if err == nil {
		err = e.checkPackage(newPackage(e.now, cmd))
	}
	if err != nil {
		return fmt.Errorf("cannot add package %q: %w", cmd.Reference, err)
	}
	return nil
}

func (e *Engine) addPackage(cmd AddPackage) error {
	if err := e.MayAdd(cmd); err != nil {
		return err
	}
	p := newPackage(e.now, cmd)
	e.added++
	p.number = e.added
	e.packages[p.key()] = p
	e.catalog = append(e.catalog, p)
	e.keepPackage(p)
	return nil
}

func newPackage(now time.Time, cmd AddPackage) *versionPackage {
	m := &cmd.Manifest
	p := &versionPackage{size: m.TransferSize(), view: PackageView{
		ID: PackageID(cmd.Reference), Reference: cmd.Reference, Name: cmd.Name, Remarks: cmd.Remarks,
		Product: m.Product, Component: m.Component, Type: m.Type, Package: m.Package, Source: m.Source, Target: m.Target,
		Created: now, Updated: now,
	}}
	if p.view.Name == "" {
		p.view.Name = cmd.Reference
	}
	for i := range m.Files {
		f := &m.Files[i]
		p.largest = max(p.largest, f.Size)
		p.view.Files = append(p.view.Files, PackageFile{Name: f.Name, Size: f.Size, SHA256: f.SHA256})
	}
	return p
}

// checkPackage joins what keeps a package from the catalog.
func (e *Engine) checkPackage(v *versionPackage) error {
	var p problems
	n, name := len([]rune(v.view.Name)), v.view.Name
	p.unless(n <= MaxPackageName || name == v.view.Reference, "name", "name: %d characters, must be 1 to %d", n,
		MaxPackageName)
	remarks := len([]rune(v.view.Remarks))
	p.unless(remarks <= MaxRemarks, "remarks", "remarks: %d characters, at most %d", remarks, MaxRemarks)
	p.unless(len(e.catalog) < MaxPackages, "", "there are %d packages already, which is all that the platform keeps",
		MaxPackages)
	if known := e.packages[v.key()]; known != nil {
		p.unless(false, "", "%q is already the package of %s for %s", known.view.Reference, v.view.Component, v.view.Target)
		return p.join()
	}
	for _, other := range e.catalog {
		p.unless(other.view.Name != name, "name", "name %q is taken", name)
		p.unless(other.view.ID != v.view.ID, "", "reference %q is taken", v.view.Reference)
	}
	return p.join()
}

// findPackage finds a package by its id.
func (e *Engine) findPackage(action, id string) (*versionPackage, error) {
	for _, p := range e.catalog {
		if p.view.ID == id {
			return p, nil
		}
	}
	return nil, fmt.Errorf("cannot %s package %q: package %w", action, id, ErrUnknown)
}

func (e *Engine) deletePackage(id string) error {
	p, err := e.findPackage("delete", id)
	if err != nil {
		return err
	}
	for _, plan := range e.created {
		if plan.verifies != p && plan.needs(p.view.Reference) {
			return fmt.Errorf("cannot delete package %q: plan %q needs it", p.view.Name, plan.spec.Name)
		}
	}
	if p.check.running() {
		return fmt.Errorf("cannot delete package %q: it is being verified", p.view.Name)
	}
	e.dropVerification(p)
	delete(e.packages, p.key())
	e.catalog = slices.DeleteFunc(e.catalog, func(other *versionPackage) bool { return other == p })
	e.forget(packageRecord(p.view.ID))
	return nil
}

// needs reports whether a device may still be given a package under the plan.
func (p *plan) needs(reference string) bool {
	return slices.Contains(p.references, reference) && (!p.status.closed() || p.tally[ota.DeviceUpgrading] > 0)
}

// checkManifest joins what keeps a manifest from being a plan's package.
func checkManifest(m *ota.Manifest) error {
	var p problems
	p.unless(ota.ValidKey(m.Product), "product", "product %q is not a product key", m.Product)
	p.unless(ota.ValidComponentID(m.Component), "component", "component %q is not a component id", m.Component)
	p.unless(m.Type.Valid(), "type", "component type %q is neither module nor mcu", m.Type)
	p.unless(m.Package.Valid(), "package", "package kind %q is neither full nor delta", m.Package)
	p.unless(ota.ValidVersion(m.Target), "target", "target %q is not a version", m.Target)
	p.unless(m.Package != ota.Delta || ota.ValidVersion(m.Source), "source", "a delta needs a source version, not %q",
		m.Source)
	p.unless(m.Package != ota.Delta || m.Source != m.Target, "source", "source and target are both %q", m.Source)
	p.unless(m.Package != ota.Full || m.Source == "", "source", "a full package has no source version, but says %q",
		m.Source)
	p.unless(len(m.Files) >= 1 && len(m.Files) <= ota.MaxFiles, "files", "%d files, must be 1 to %d", len(m.Files),
		ota.MaxFiles)
	return p.join()
}

// PackageFile is one file of a package.
type PackageFile struct {
	Name   string
	Size   int64 // bytes
	SHA256 ota.Digest
}

// PackageView is one line of the list of packages, with what its details say.
type PackageView struct {
	ID        string
	Reference string
	Name      string
	Remarks   string
	Product   string
	Component string
	Type      ota.ComponentType
	Package   ota.PackageKind
	Source    string // empty for a full package
	Target    string
	Files     []PackageFile
	Verified  bool
	Created   time.Time
	Updated   time.Time
	// Check is the last verification; nil without any.
	Check *VerificationView
}

// Packages lists the packages in the order in which they were added.
func (e *Engine) Packages() []PackageView {
	views := make([]PackageView, 0, len(e.catalog))
	for _, p := range e.catalog {
		views = append(views, p.shown())
	}
	return views
}

// Package gives one package; false if there is none of that id.
func (e *Engine) Package(id string) (PackageView, bool) {
	p, err := e.findPackage("show", id)
	if err != nil {
		return PackageView{}, false
	}
	return p.shown(), true
}

func (v *versionPackage) shown() PackageView {
	view := v.view
	if v.check != nil {
		shown := v.check.view()
		view.Check = &shown
	}
	return view
}
