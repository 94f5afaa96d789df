package statefile

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

const (
	packagePrefix = "package-"
	packageSuffix = ".json"
	partSuffix    = ".part" // a file that is not whole yet
)

// KeepPackage makes the address of a component's package survive a power cut,
// instead of the one kept before.
func (s *Store) KeepPackage(p *ota.Package) error {
	name, err := packageName(p.Component)
	if err != nil {
		return err
	}
	_, content, err := wire.EncodeDown(p)
	if err != nil {
		return fmt.Errorf("cannot encode the package of component %s: %w", p.Component, err)
	}
	if len(content) > ota.MaxPayload {
		return fmt.Errorf("cannot keep the package of component %s: %d bytes, at most %d", p.Component, len(content), ota.MaxPayload)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.replace(name, content); err != nil {
		return fmt.Errorf("cannot keep the package of component %s: %w", p.Component, err)
	}
	return nil
}

// KeptPackage gives the kept address of a component's package, nil if there is none.
// One that cannot be read is removed: the device then asks the platform again.
func (s *Store) KeptPackage(component string) *ota.Package {
	name, err := packageName(component)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.readPackage(name, component)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		s.log.Warn("a kept package address is damaged and dropped", "component", component, "error", err)
		s.remove(name, component)
		return nil
	}
	return p
}

// ForgetPackage drops the kept address of a component's package.
func (s *Store) ForgetPackage(component string) {
	name, err := packageName(component)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(name, component)
}

// packageName refuses what is not a component id, so that no name from outside
// becomes another file's.
func packageName(component string) (string, error) {
	if !ota.ValidComponentID(component) {
		return "", fmt.Errorf("%q is not a component id", component)
	}
	return packagePrefix + component + packageSuffix, nil
}

func (s *Store) readPackage(name, component string) (*ota.Package, error) {
	content, err := s.read(name)
	if err != nil {
		return nil, err
	}
	message, err := wire.DecodeDown("package", content)
	if err != nil {
		return nil, err
	}
	p, ok := message.(*ota.Package)
	if !ok || p.Component != component {
		return nil, errors.New("the file holds another component's package")
	}
	return p, nil
}

// read gives a small file's content.
func (s *Store) read(name string) (content []byte, err error) {
	f, err := s.disk.Read(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > ota.MaxPayload {
		return nil, fmt.Errorf("%d bytes, at most %d", size, ota.MaxPayload)
	}
	return readAll(f, ota.MaxPayload)
}

// replace writes a whole file or, at a cut, none: under another name first, then
// renamed.
func (s *Store) replace(name string, content []byte) error {
	part := name + partSuffix
	if err := s.disk.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.writePart(part, content); err != nil {
		return errors.Join(err, s.disk.Remove(part))
	}
	if err := s.disk.Rename(part, name); err != nil {
		return errors.Join(err, s.disk.Remove(part))
	}
	return s.disk.Sync()
}

func (s *Store) writePart(part string, content []byte) error {
	f, err := s.disk.Open(part)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (s *Store) remove(name, component string) {
	err := s.disk.Remove(name)
	if err == nil {
		err = s.disk.Sync()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("cannot drop a kept package address", "component", component, "error", err)
	}
}

// sweep removes what a cut in the middle of replace has left.
func (s *Store) sweep() error {
	names, err := s.disk.Names()
	if err != nil {
		return fmt.Errorf("cannot list the state directory: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, partSuffix) {
			if err := s.disk.Remove(name); err != nil {
				return fmt.Errorf("cannot remove an unfinished file: %w", err)
			}
		}
	}
	return nil
}
