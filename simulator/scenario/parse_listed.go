package scenario

import (
	"cmp"
	"fmt"
	"slices"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
	"otafleet/simulator/fleet"
)

// Devices says which devices the fleets of a scenario have, beside what its text
// says. The zero value adds nothing, and refuses a scenario that names a file.
type Devices struct {
	// File lists the devices, whatever the scenario says: in the place of the file that
	// it names, or of the numbered devices of its fleets. Nil for no such file.
	File *fleet.File
	// Open opens the file that a scenario names; nil refuses it.
	Open func(path string) (*fleet.File, error)
	// KeyPrefix is put before the keys of numbered devices, so that a platform which
	// has met the devices of an earlier run takes them for others. It is no part of
	// the names of fleets.
	KeyPrefix string
}

// open is the file with the devices, which the scenario calls path.
func (d *Devices) open(path string) (*fleet.File, error) {
	switch {
	case d.File != nil:
		return d.File, nil
	case path == "": // it has been reported
		return nil, nil
	case d.Open == nil:
		return nil, fmt.Errorf("%q cannot be looked for: the scenario is not in a file of its own; give the device file "+
			"with --devices", path)
	}
	return d.Open(path)
}

// readListed reads the one mapping that stands for fleets of which a file lists the
// devices: a fleet for each that the file names.
func readListed(m *yamlform.Map, s *Scenario, c *composition) {
	var path string
	m.Require("devices")
	m.Text("devices", &path, yamlform.Line)
	file, err := c.from.open(path)
	if err != nil {
		m.Problemf("devices", "%s", err)
	}
	template, count := newFleet(), 0
	readBody(m, &template, true, c)
	if file != nil {
		count = len(file.Devices)
		if !m.Has("components") {
			template.Components = modules(file)
		}
	}
	template.Arrive = readArrive(m.Map("arrive"), count)
	if err != nil || file == nil {
		return
	}
	mistakes := file.Mistakes()
	s.Fleets = divide(file, &template, mistakes)
	if err := mistakes.Err(); err != nil {
		m.Problemf("devices", "the device file does not fit the scenario:\n%s", err)
		return
	}
	if len(template.Components) == 0 {
		m.Problemf("components", "is missing, and the device file has no column version.COMPONENT")
		return
	}
	types := componentTypes{}
	for i := range s.Fleets {
		types.agree(m, &s.Fleets[i])
	}
	if len(s.Fleets) > 1 && len(template.Arrive.Stages) > 0 {
		m.Problemf("arrive", "stages are of one fleet, and the device file has %d; want over or rate", len(s.Fleets))
		return
	}
	for i := range s.Fleets {
		if checkArrival(m, &s.Fleets[i], s.Duration) {
			return
		}
	}
}

// divide makes a fleet of each that the lines name, in the order in which they come.
func divide(file *fleet.File, template *Fleet, mistakes *fleet.Mistakes) []Fleet {
	var names []string
	members := map[string][]*fleet.Device{}
	for i := range file.Devices {
		d := &file.Devices[i]
		name := cmp.Or(d.Fleet, d.Product, template.Product)
		if members[name] == nil {
			names = append(names, name)
			if err := fleetName(name); err != nil {
				mistakes.Addf(d.Line, 0, "fleet", "%s", err)
			}
		}
		members[name] = append(members[name], d)
	}
	if len(names) > MaxFleets {
		mistakes.Addf(0, 0, "fleet", "has %d fleets; want at most %d", len(names), MaxFleets)
		return nil
	}
	fleets := make([]Fleet, len(names))
	for i, name := range names {
		f := &fleets[i]
		*f = *template
		f.Name, f.Product = name, cmp.Or(template.Product, members[name][0].Product)
		f.list(file, members[name], mistakes)
	}
	return fleets
}

// list gives the fleet the devices of a file that are its own.
func (f *Fleet) list(file *fleet.File, devices []*fleet.Device, mistakes *fleet.Mistakes) {
	f.Count, f.listed = len(devices), &listing{file: file, devices: devices}
	for _, c := range f.Components {
		f.listed.columns = append(f.listed.columns, slices.Index(file.Components, c.ID))
	}
	for n, d := range devices {
		if d.Product != "" && d.Product != f.Product {
			mistakes.Addf(d.Line, 0, "product", "is %s, and fleet %s is of product %s; want one product in a fleet", d.Product,
				f.Name, f.Product)
		} else if f.Product == "" {
			mistakes.Addf(d.Line, 0, "product", "is missing: neither this line nor the scenario says it")
		}
		for k, id := range file.Components {
			if d.Versions[k] != "" && f.Component(id) == nil {
				mistakes.Addf(d.Line, 0, "version."+id, "fleet %s has no component %s%s", f.Name, id,
					yamlform.Suggest(id, componentIDs(f.Components)))
			}
		}
		for i := range f.Components {
			if f.Runs(n+1, i) == "" {
				mistakes.Addf(d.Line, 0, "version."+f.Components[i].ID,
					"is missing: neither this line nor the scenario says what runs")
			}
		}
	}
}

// modules are the components of which a file has a column.
func modules(file *fleet.File) (all []Installed) {
	for _, id := range file.Components {
		all = append(all, Installed{ComponentVersion: ota.ComponentVersion{ID: id, Type: ota.Module}})
	}
	return all
}
