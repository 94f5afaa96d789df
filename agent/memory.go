package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"otafleet/internal/ota"
)

// StateFile keeps bytes over power cuts. Package statefile implements it.
type StateFile interface {
	// Load returns the newest state that usable returns no error for; nil without an
	// error on a device that never saved one. It comes before the first Save.
	Load(usable func(state []byte) error) ([]byte, error)
	// Save replaces the state. It returns after the state would survive a power cut.
	Save(state []byte) error
	// SetAside copies the state that was loaded, for technicians, and returns the
	// copy's name.
	SetAside() (name string, err error)
	// Keep makes the content of a small file durable, whole or not at all.
	Keep(name string, content []byte) error
	// Kept returns it; fs.ErrNotExist if there is none. One that is longer than limit
	// is an error.
	Kept(name string, limit int) ([]byte, error)
	// Drop removes it, if it is there.
	Drop(name string) error
}

// Memory is what a device remembers in a StateFile. It implements Store and URLCache: it
// encodes and decodes, and the file stores bytes.
type Memory struct {
	File   StateFile
	Logger *slog.Logger
}

// Load returns the state that was saved; nil without an error on a device that never
// saved one. An error may be the StateFile's own; see there what it means.
func (m *Memory) Load() (*State, error) {
	data, err := m.File.Load(usable)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	state, err := DecodeState(data)
	var newer *NewerState
	if errors.As(err, &newer) {
		kept, err := m.File.SetAside()
		m.Logger.Warn("the state was saved by a newer agent; what this one understands of it is used",
			"error", newer, "kept", kept, "not_kept", err)
		return state, nil
	}
	return state, err
}

// usable returns nil for a state from which this agent can start.
func usable(data []byte) error {
	_, err := DecodeState(data)
	var newer *NewerState
	if errors.As(err, &newer) {
		return nil
	}
	return err
}

// Save replaces the state (Store).
func (m *Memory) Save(state *State) error {
	data, err := EncodeState(state)
	if err != nil {
		return fmt.Errorf("cannot encode the state: %w", err)
	}
	return m.File.Save(data)
}

// KeepPackage makes the download URLs of a component's package survive a power cut, in
// the place of those kept before (URLCache).
func (m *Memory) KeepPackage(p *ota.Package) error {
	name, err := packageFile(p.Component)
	if err != nil {
		return err
	}
	content, err := encodePackage(p)
	if err != nil {
		return fmt.Errorf("cannot encode the package of component %s: %w", p.Component, err)
	}
	if len(content) > ota.MaxPayload {
		return fmt.Errorf("cannot keep the package of component %s: %d bytes, at most %d",
			p.Component, len(content), ota.MaxPayload)
	}
	if err := m.File.Keep(name, content); err != nil {
		return fmt.Errorf("cannot keep the package of component %s: %w", p.Component, err)
	}
	return nil
}

// KeptPackage returns what KeepPackage has kept; nil if there is nothing (URLCache). What
// cannot be read is removed: the device then asks the platform again.
func (m *Memory) KeptPackage(component string) *ota.Package {
	name, err := packageFile(component)
	if err != nil {
		return nil
	}
	content, err := m.File.Kept(name, ota.MaxPayload)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var p *ota.Package
	if err == nil {
		p, err = decodePackage(content, component)
	}
	if err != nil {
		m.Logger.Warn("a kept package address is damaged and dropped", "component", component, "error", err)
		m.ForgetPackage(component)
		return nil
	}
	return p
}

// ForgetPackage drops what KeepPackage has kept (URLCache).
func (m *Memory) ForgetPackage(component string) {
	name, err := packageFile(component)
	if err != nil {
		return
	}
	if err := m.File.Drop(name); err != nil {
		m.Logger.Warn("cannot drop a kept package address", "component", component, "error", err)
	}
	if err := m.File.Drop(markFile(component)); err != nil {
		m.Logger.Warn("cannot drop the mark of a download", "component", component, "error", err)
	}
}

// Mark keeps how far the download of a component has come (Marks). It is dropped with
// the package.
func (m *Memory) Mark(component string) Mark { return mark{m.File, component} }

// maxMark is how many bytes a Mark may have.
const maxMark = 1 << 10

type mark struct {
	file      StateFile
	component string
}

func markFile(component string) string { return "download-" + component + ".json" }

func (m mark) Keep(content []byte) error {
	if !ota.ValidComponentID(m.component) || len(content) > maxMark {
		return fmt.Errorf("cannot keep %d bytes for component %q", len(content), m.component)
	}
	return m.file.Keep(markFile(m.component), content)
}

func (m mark) Kept() []byte {
	if !ota.ValidComponentID(m.component) {
		return nil
	}
	content, err := m.file.Kept(markFile(m.component), maxMark)
	if err != nil {
		return nil
	}
	return content
}

// packageFile refuses what is not a component id, so that no name from outside
// becomes another file's.
func packageFile(component string) (string, error) {
	if !ota.ValidComponentID(component) {
		return "", fmt.Errorf("%q is not a component id", component)
	}
	return "package-" + component + ".json", nil
}
