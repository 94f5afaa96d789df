package scenario

import "strings"

// Finder finds devices by their keys. It is not changed after NewFinder, so it may
// be shared.
type Finder struct {
	scenario *Scenario
	fleets   map[string]int // by name, their index; of devices that are numbered
}

// index is where the devices of a file are, by their keys.
type index map[string]place

func newIndex(fleets []Fleet) index {
	x := index{}
	for i := range fleets {
		if listed := fleets[i].listed; listed != nil {
			for n, d := range listed.devices {
				x[d.Key] = place{int32(i), int32(n + 1)}
			}
		}
	}
	return x
}

// place is a device: its fleet's number from 0, and its own from 1.
type place struct{ fleet, n int32 }

// NewFinder makes a Finder of the scenario's devices.
func NewFinder(s *Scenario) *Finder {
	x := &Finder{scenario: s, fleets: map[string]int{}}
	for i := range s.Fleets {
		if f := &s.Fleets[i]; f.listed == nil {
			x.fleets[f.Name] = i
		}
	}
	return x
}

// Find takes a device's key apart: gateways-000012 is the device n, from 1, of a
// fleet, from 0. known says whether the scenario has the device.
func (x *Finder) Find(key string) (fleet, n int, known bool) {
	if p, listed := x.scenario.index[key]; listed {
		return int(p.fleet), int(p.n), true
	}
	name, prefixed := strings.CutPrefix(key, x.scenario.keyPrefix)
	dash := strings.LastIndexByte(name, '-')
	if !prefixed || dash < 0 || len(name)-dash < 7 {
		return 0, 0, false
	}
	fleet, known = x.fleets[name[:dash]]
	if !known {
		return 0, 0, false
	}
	n = number(name[dash+1:])
	return fleet, n, n >= 1 && n <= x.scenario.Fleets[fleet].Count
}

// number reads the number of a device, of six digits, or seven for the millionth; 0
// if it is none.
func number(digits string) int {
	n := 0
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' || len(digits) > 7 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	if len(digits) == 7 && n < 1_000_000 {
		return 0
	}
	return n
}
