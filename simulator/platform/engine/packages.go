package engine

import (
	"errors"
	"fmt"

	"otafleet/internal/ota"
)

// packageKey is what a plan's component finds its package by. The source is
// empty for a full package, which is matched by its target alone.
type packageKey struct {
	product, component string
	kind               ota.ComponentType
	source, target     string
}

type packageEntry struct {
	reference string
	size      int64 // bytes to transfer
	largest   int64 // bytes of the largest file
}

func (e *Engine) addPackage(cmd AddPackage) error {
	m := &cmd.Manifest
	if err := checkManifest(m); err != nil {
		return fmt.Errorf("cannot add package %q: %w", cmd.Reference, err)
	}
	key := packageKey{m.Product, m.Component, m.Type, m.Source, m.Target}
	if known, taken := e.packages[key]; taken {
		return fmt.Errorf("cannot add package %q: %q is already the package of %s for %s",
			cmd.Reference, known.reference, m.Component, m.Target)
	}
	entry := packageEntry{reference: cmd.Reference, size: m.TransferSize()}
	for i := range m.Files {
		entry.largest = max(entry.largest, m.Files[i].Size)
	}
	e.packages[key] = entry
	return nil
}

// checkManifest joins what keeps a manifest from being a plan's package.
func checkManifest(m *ota.Manifest) error {
	var p problems
	p.unless(ota.ValidKey(m.Product), "product %q is not a product key", m.Product)
	p.unless(ota.ValidComponentID(m.Component), "component %q is not a component id", m.Component)
	p.unless(m.Type.Valid(), "component type %q is neither module nor mcu", m.Type)
	p.unless(m.Package.Valid(), "package kind %q is neither full nor delta", m.Package)
	p.unless(ota.ValidVersion(m.Target), "target %q is not a version", m.Target)
	p.unless(m.Package != ota.Delta || ota.ValidVersion(m.Source), "a delta needs a source version, not %q", m.Source)
	p.unless(m.Package != ota.Full || m.Source == "", "a full package has no source version, but says %q", m.Source)
	p.unless(len(m.Files) >= 1 && len(m.Files) <= ota.MaxFiles, "%d files, must be 1 to %d", len(m.Files), ota.MaxFiles)
	return p.join()
}

// problems collects what is wrong, so that all of it can be said at once.
type problems []error

func (p *problems) unless(holds bool, format string, args ...any) {
	if !holds {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

func (p problems) join() error { return errors.Join(p...) }
