package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/store"
)

// openState restores the engine from the state directory.
func (s *Service) openState() error {
	if s.config.State == "" {
		s.engine = engine.New()
		return nil
	}
	if err := os.MkdirAll(filepath.Join(s.config.State, packagesDir), 0o700); err != nil {
		return fmt.Errorf("cannot make the state directory: %w", err)
	}
	if err := s.lostState(); err != nil {
		return s.damaged(err)
	}
	kept, err := store.Open(s.statePath())
	if errors.Is(err, store.ErrDamaged) {
		return s.damaged(err)
	}
	if err != nil {
		return err
	}
	if s.engine, err = engine.Restore(kept); err != nil {
		return s.damaged(errors.Join(fmt.Errorf("%s: %w", s.statePath(), err), kept.Close()))
	}
	s.keeping = &keeping{store: kept, dirty: make(chan struct{}, 1)}
	return nil
}

func (s *Service) statePath() string { return filepath.Join(s.config.State, stateFile) }

// damaged says what can be done about a state that cannot be used. The platform
// changes nothing of it.
func (s *Service) damaged(err error) error {
	return fmt.Errorf(
		"%w: put back a copy of %s, or begin anew with another --state: devices then report again what they run", err,
		s.config.State,
	)
}

// lostState reports that the state is missing or empty although there was one: no
// package is kept before it. A new state would know none of them.
func (s *Service) lostState() error {
	info, err := os.Stat(s.statePath())
	empty := err == nil && info.Mode().IsRegular() && info.Size() == 0
	if !empty && !errors.Is(err, fs.ErrNotExist) {
		return nil // opening it says more
	}
	entries, err := os.ReadDir(filepath.Join(s.config.State, packagesDir))
	if err != nil {
		return fmt.Errorf("cannot read the state directory: %w", err)
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return filepath.Ext(e.Name()) == packageEnding }) {
		return fmt.Errorf("the state %s is missing or empty, and packages of it are there", s.statePath())
	}
	return nil
}

// openPackages puts the packages of an earlier life back into the catalog, and
// removes what its end has left over.
func (s *Service) openPackages() error {
	if s.config.State == "" {
		return nil
	}
	known := map[string]bool{}
	for _, p := range s.engine.Packages() {
		known[p.ID+packageEnding] = true
		if err := s.openPackage(&p); err != nil {
			return fmt.Errorf(
				"package %s: %w: put its file back as %s, or begin anew with another --state", p.Name, err, s.packagePath(p.ID),
			)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.config.State, packagesDir))
	for _, e := range entries {
		path := filepath.Join(s.config.State, packagesDir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), incoming):
			err = errors.Join(err, os.RemoveAll(path))
		case !known[e.Name()]:
			s.log.Warn("a file is of no package of this state; it stays, and can be removed", "path", path)
		}
	}
	return err
}

// openPackage puts a package back into the catalog, if its file is still the one that
// was kept.
func (s *Service) openPackage(p *engine.PackageView) error {
	b, err := bundle.Open(s.packagePath(p.ID))
	if err != nil {
		return err
	}
	switch {
	case !isOf(b.Manifest, p):
		err = errors.New("its file is another package")
	case s.config.Store != nil:
		s.catalog.know(b.Envelope, b.Manifest, p.Reference) // the files lie there already
		return b.Close()
	default:
		if err = checkFiles(b); err == nil {
			err = s.catalog.add(context.Background(), b.Envelope, b.Manifest, filesOf(b), p.Reference)
		}
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return nil
}

// isOf reports whether a manifest is that of a package.
func isOf(m *ota.Manifest, p *engine.PackageView) bool {
	same := func(a engine.PackageFile, b ota.File) bool {
		return a.Name == b.Name && a.Size == b.Size && a.SHA256 == b.SHA256
	}
	return m.Product == p.Product && m.Component == p.Component && m.Type == p.Type && m.Package == p.Package &&
		m.Source == p.Source && m.Target == p.Target && slices.EqualFunc(p.Files, m.Files, same)
}
