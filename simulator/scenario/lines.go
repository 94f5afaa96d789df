package scenario

import (
	"maps"
	"slices"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
	"otafleet/simulator/fleet"
)

// lines are those of a device file that are given to the fleets of a list.
type lines struct {
	file     *fleet.File // nil for none
	of       map[string][]*fleet.Device
	mistakes *fleet.Mistakes
}

// newLines sorts the lines of a file, nil for none, by the fleets that they name. In
// a scenario of one fleet they need name none.
func newLines(file *fleet.File, fleets int) *lines {
	l := &lines{file: file, of: map[string][]*fleet.Device{}}
	if file == nil {
		return l
	}
	l.mistakes = file.Mistakes()
	for i := range file.Devices {
		d := &file.Devices[i]
		if d.Fleet == "" && fleets > 1 {
			l.mistakes.Addf(d.Line, 0, "fleet", "is missing: the scenario has %d fleets, and each device is of one", fleets)
			continue
		}
		l.of[d.Fleet] = append(l.of[d.Fleet], d)
	}
	return l
}

// give gives a fleet its lines, in the place of the devices that it has by number.
func (l *lines) give(m *yamlform.Map, f *Fleet) {
	if l.file == nil {
		return
	}
	devices := slices.Concat(l.of[f.Name], l.of[""])
	if len(devices) == 0 {
		m.Problemf("name", "no line of the device file is of fleet %s", f.Name)
		return
	}
	f.list(l.file, devices, l.mistakes)
	delete(l.of, f.Name)
	delete(l.of, "")
}

// err is what is wrong with the lines, when every fleet has its own.
func (l *lines) err(fleets []string) error {
	if l.file == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(l.of)) {
		l.mistakes.Addf(l.of[name][0].Line, 0, "fleet", "there is no fleet %q%s", name, yamlform.Suggest(name, fleets))
	}
	return l.mistakes.Err()
}

// MaxKeyPrefix is how many bytes a key prefix may have.
const MaxKeyPrefix = 24

// usePrefix puts a prefix before the keys of the numbered devices.
func (s *Scenario) usePrefix(root *yamlform.Map, prefix string) {
	if prefix == "" {
		return
	}
	if len(prefix) > MaxKeyPrefix || !ota.ValidKey(prefix) {
		root.Problemf("fleet", "the key prefix %q is not valid; want 1 to %d characters of A-Z a-z 0-9 _ -", prefix,
			MaxKeyPrefix)
		return
	}
	s.keyPrefix = prefix
	for i := range s.Fleets {
		f := &s.Fleets[i]
		f.keyPrefix = prefix
		switch {
		case f.listed != nil:
			root.Problemf("fleet", "the devices of a file have the keys that are written there, and take no key prefix")
			return
		case len(f.Device(MaxDevices)) > ota.MaxKey:
			root.Problemf("fleet", "keys of fleet %s have more than %d characters with the key prefix %s; want a shorter one",
				f.Name, ota.MaxKey, prefix)
		}
	}
}
