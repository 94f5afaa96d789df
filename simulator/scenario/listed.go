package scenario

import (
	"slices"

	"otafleet/simulator/fleet"
)

// listing is a fleet of devices that exist: lines of a device file.
type listing struct {
	file    *fleet.File
	devices []*fleet.Device
	columns []int // for each component of the fleet, its place among the versions of the file; -1 for none
}

// Listed is the line of the device file about the fleet's n-th device, 1 <= n <=
// Count; nil for devices that no file lists.
func (f *Fleet) Listed(n int) *fleet.Device {
	if f.listed == nil {
		return nil
	}
	return f.listed.devices[n-1]
}

// Runs is the version of the i-th component that the fleet's n-th device has at
// first.
func (f *Fleet) Runs(n, i int) string {
	if version := f.ownVersion(n, i); version != "" {
		return version
	}
	return f.Components[i].Version
}

// ownVersion is what the device file says of a device's component; empty for nothing.
func (f *Fleet) ownVersion(n, i int) string {
	if f.listed == nil || f.listed.columns[i] < 0 {
		return ""
	}
	return f.listed.devices[n-1].Versions[f.listed.columns[i]]
}

// Revision is the hardware of the fleet's n-th device; empty if unknown.
func (f *Fleet) Revision(n int) string {
	if d := f.Listed(n); d != nil && d.Hardware != "" {
		return d.Hardware
	}
	return f.Hardware
}

// Versions lists what the fleet's devices have of their i-th component at first,
// each version once, in the order of the devices.
func (f *Fleet) Versions(i int) []string {
	if f.listed == nil || f.listed.columns[i] < 0 {
		return []string{f.Components[i].Version}
	}
	var all []string
	seen := map[string]bool{}
	for n := 1; n <= f.Count; n++ {
		if v := f.Runs(n, i); !seen[v] {
			seen[v] = true
			all = append(all, v)
		}
	}
	return all
}

// versionsOf is Versions of a component by its id, which the fleet has.
func (f *Fleet) versionsOf(id string) []string {
	return f.Versions(slices.IndexFunc(f.Components, func(c Installed) bool { return c.ID == id }))
}

// DeviceFile is the file that lists the scenario's devices; nil if none does.
func (s *Scenario) DeviceFile() *fleet.File {
	i := slices.IndexFunc(s.Fleets, func(f Fleet) bool { return f.listed != nil })
	if i < 0 {
		return nil
	}
	return s.Fleets[i].listed.file
}
