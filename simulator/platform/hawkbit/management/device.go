package management

import (
	"bytes"
	"crypto/subtle"
	"io"
	"maps"
	"strconv"
)

// Device is a target as its device sees it.
type Device struct {
	s *Store
	t *target
}

// Target finds the target of a device; false if operators have made none.
func (s *Store) Target(key string) (Device, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.targets[key]
	return Device{s, t}, t != nil
}

// LetsIn reports whether a target token is the device's.
func (d Device) LetsIn(token string) bool {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	return d.s.config[targetTokens] == true && subtle.ConstantTimeCompare([]byte(token), []byte(d.t.token)) == 1
}

// Shown is what the device's root leads to.
type Shown struct {
	Action string // its number; empty for none
	Kind   string // deploymentBase, confirmationBase or cancelAction
	Ask    bool   // its attributes are wanted
}

// Poll notes that the device has asked, and says what it is to look at: the oldest
// action that has not ended.
func (d Device) Poll() Shown {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.t.polled = d.s.now()
	if d.t.status == Unknown {
		d.t.status = Registered
	}
	shown := Shown{Ask: d.t.ask}
	if a := d.current(); a != nil {
		shown.Action, shown.Kind = strconv.Itoa(a.id), a.kind()
	}
	return shown
}

func (d Device) current() *action {
	for _, a := range d.t.actions {
		if a.active {
			return a
		}
	}
	return nil
}

func (a *action) kind() string {
	switch {
	case a.status == "canceling":
		return "cancelAction"
	case a.waits():
		return "confirmationBase"
	}
	return "deploymentBase"
}

// Tell gives the attributes that the device has sent: change makes the new ones of those
// that are known.
func (d Device) Tell(change func(known map[string]string) (map[string]string, error)) error {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	fresh, err := change(maps.Clone(d.t.attributes))
	if err == nil {
		d.t.attributes, d.t.ask = fresh, false
	}
	return err
}

// Module is a software module of an action.
type Module struct {
	ID                  int
	Type, Name, Version string
	Artifacts           []Artifact
	Metadata            [][2]string // key and value, of those that devices may see
}

// Artifact is a file of a module.
type Artifact struct {
	Name              string
	Size              int64
	SHA1, MD5, SHA256 string
}

// Order is what an action asks for.
type Order struct {
	Force   string // forced, soft or downloadonly
	Modules []Module
}

// Read gives the document of the action under a kind, and notes that the device has read
// it; false if that is not what the device is to look at.
func (d Device) Read(kind, id string) (Order, bool) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	a := d.current()
	if a == nil || strconv.Itoa(a.id) != id || a.kind() != kind {
		return Order{}, false
	}
	if a.status == "running" && len(a.history) == 1 {
		a.note("retrieved", "read by the device")
	}
	o := Order{Force: a.force}
	for _, m := range a.set.modules {
		o.Modules = append(o.Modules, m.view())
	}
	return o, true
}

func (m *module) view() Module {
	v := Module{ID: m.id, Type: m.kind, Name: m.name, Version: m.version}
	if v.Type == defaultKind {
		v.Type = "bApp" // as hawkBit calls it to devices
	}
	for _, a := range m.artifacts {
		v.Artifacts = append(v.Artifacts, Artifact{Name: a.name, Size: int64(len(a.content)), SHA1: a.sha1, MD5: a.md5,
			SHA256: a.sha256})
	}
	for _, pair := range m.metadata {
		if pair.Visible {
			v.Metadata = append(v.Metadata, [2]string{pair.Key, pair.Value})
		}
	}
	return v
}

// Module finds a module of the device's action by its number.
func (d Device) Module(id string) (Module, bool) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if m := d.module(id); m != nil {
		return m.view(), true
	}
	return Module{}, false
}

func (d Device) module(id string) *module {
	n, _ := strconv.Atoi(id)
	if a := d.current(); a != nil {
		return find(a.set.modules, n)
	}
	return nil
}

// Open opens an artifact of a module of the device's action.
func (d Device) Open(module, name string) (io.ReadSeeker, bool) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if m := d.module(module); m != nil {
		for _, a := range m.artifacts {
			if a.name == name {
				return bytes.NewReader(a.content), true
			}
		}
	}
	return nil, false
}

// Verdict is what becomes of feedback.
type Verdict uint8

// The verdicts.
const (
	Taken Verdict = iota
	Gone          // the action has ended
	Missing
)

// Feedback takes what the device says of an action, under the kind that it is shown as.
func (d Device) Feedback(kind, id string, f Feedback) (Verdict, error) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	n, _ := strconv.Atoi(id)
	a := d.s.actions[n]
	switch {
	case a == nil || a.target != d.t:
		return Missing, nil
	case !a.active:
		return Gone, nil
	case a.kind() != kind:
		return Missing, nil
	case kind == "cancelAction":
		a.takeCancel(f)
		return Taken, nil
	}
	return Taken, a.take(f)
}

// Confirm takes what the device says to an action that waits to be confirmed.
func (d Device) Confirm(id string, yes bool, messages []string) Verdict {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	a := d.current()
	switch {
	case a == nil || strconv.Itoa(a.id) != id || !a.waits():
		return Missing
	case yes:
		a.note("running", messages...)
	default:
		a.note("wait_for_confirmation", messages...)
	}
	return Taken
}
