package selection

import (
	"errors"
	"fmt"
	"strings"

	"otafleet/internal/yamlform"
	"otafleet/simulator/fleet"
	"otafleet/simulator/scenario"
)

// Selection is the devices of a scenario that a run has. It never changes.
type Selection struct {
	scenario *scenario.Scenario
	shard    Shard
	only     map[place]bool // nil for all
	before   []int          // devices in the fleets before each fleet
	gateways []int          // the fleet behind which each fleet is; itself for one that is behind none
	counts   []int          // devices of each fleet that the run has
	devices  int            // sum of counts
}

// place is a device: its fleet's number from 0, and its own from 1.
type place struct{ fleet, n int }

// New selects the devices of a shard or, if keys are given, only those of them
// and the gateways that speak for them. A device behind a gateway is in the
// gateway's shard. The error joins everything that is wrong: a shard that does
// not exist or would be empty, keys that no device has, and devices of another
// shard.
func New(s *scenario.Scenario, shard Shard, only []string) (*Selection, error) {
	if err := shard.Validate(); err != nil {
		return nil, err
	}
	x := &Selection{scenario: s, shard: shard, counts: make([]int, len(s.Fleets))}
	total := 0
	for i := range s.Fleets {
		x.before = append(x.before, total)
		x.gateways = append(x.gateways, gatewaysOf(s, i))
		total += s.Fleets[i].Count
	}
	if err := x.pick(only); err != nil {
		return nil, err
	}
	x.count()
	if x.devices == 0 {
		return nil, fmt.Errorf("shard %s of %d devices is empty: run the scenario in fewer shards", shard, total)
	}
	return x, nil
}

// gatewaysOf is the fleet behind which a fleet is, or the fleet itself.
func gatewaysOf(s *scenario.Scenario, fleet int) int {
	for i := range s.Fleets {
		if s.Fleets[i].Name == s.Fleets[fleet].Behind {
			return i
		}
	}
	return fleet
}

func (x *Selection) count() {
	for i := range x.scenario.Fleets {
		for n := 1; n <= x.scenario.Fleets[i].Count; n++ {
			if x.Has(i, n) {
				x.counts[i]++
			}
		}
		x.devices += x.counts[i]
	}
}

// tagPrefix is before a tag in the place of a key.
const tagPrefix = "tag="

// pick finds the devices of the keys and tags.
func (x *Selection) pick(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	only, problems := make(map[place]bool, len(keys)), []error(nil)
	devices := scenario.NewFinder(x.scenario)
	for _, key := range keys {
		if tag, is := strings.CutPrefix(key, tagPrefix); is {
			if !x.pickTagged(tag, only) {
				problems = append(problems,
					fmt.Errorf("no device of shard %s has the tag %q: tags are in a device file", x.shard, tag))
			}
			continue
		}
		p, err := x.find(devices, key)
		if err == nil && !x.Has(p.fleet, p.n) {
			err = fmt.Errorf("device %s is not in shard %s but in %d/%d", key, x.shard, x.ordinal(p)%x.shard.Of+1, x.shard.Of)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		only[p], only[x.speaker(p)] = true, true
	}
	x.only = only
	return errors.Join(problems...)
}

// pickTagged picks the devices with a tag, and tells whether there are some.
func (x *Selection) pickTagged(tag string, only map[place]bool) (some bool) {
	for i := range x.scenario.Fleets {
		f := &x.scenario.Fleets[i]
		for n := 1; n <= f.Count; n++ {
			if d := f.Listed(n); d != nil && d.Tagged(tag) && x.Has(i, n) {
				p := place{i, n}
				only[p], only[x.speaker(p)], some = true, true, true
			}
		}
	}
	return some
}

// find is the device of a key: gateways-000012.
func (x *Selection) find(devices *scenario.Finder, key string) (place, error) {
	if fleet, n, known := devices.Find(key); known {
		return place{fleet, n}, nil
	}
	s := x.scenario
	if file := s.DeviceFile(); file != nil {
		return place{}, fmt.Errorf("there is no device %s in %s%s", key, file.Name, suggestKey(file, key))
	}
	dash := strings.LastIndexByte(key, '-')
	if dash < 0 {
		return place{}, fmt.Errorf("there is no device %s; want a fleet's name and a number, such as %s", key,
			s.Fleets[0].Device(1))
	}
	name := strings.TrimPrefix(key[:dash], s.KeyPrefix())
	var names []string
	for i := range s.Fleets {
		f := &s.Fleets[i]
		if f.Name == name {
			return place{}, fmt.Errorf("there is no device %s; fleet %s has %s to %s", key, f.Name, f.Device(1),
				f.Device(f.Count))
		}
		names = append(names, f.Name)
	}
	return place{}, fmt.Errorf("there is no device %s: no fleet is called %q%s", key, name, yamlform.Suggest(name, names))
}

// suggestKey names a key of the file that is like one that is not there. In a long
// file too many are.
func suggestKey(file *fleet.File, key string) string {
	const most = 1000
	if len(file.Devices) > most {
		return ""
	}
	var keys []string
	for i := range file.Devices {
		keys = append(keys, file.Devices[i].Key)
	}
	return yamlform.Suggest(key, keys)
}

// speaker is the device that speaks for a device: its gateway, or itself.
func (x *Selection) speaker(p place) place {
	gateways := x.gateways[p.fleet]
	return place{gateways, (p.n-1)%x.scenario.Fleets[gateways].Count + 1}
}

// ordinal tells which shard has a device: that of its speaker.
func (x *Selection) ordinal(p place) int {
	speaker := x.speaker(p)
	return x.before[speaker.fleet] + speaker.n - 1
}

// Has reports whether the run has device n, from 1, of a fleet, from 0.
func (x *Selection) Has(fleet, n int) bool {
	p := place{fleet, n}
	return (x.shard.Whole() || x.shard.has(x.ordinal(p))) && (x.only == nil || x.only[p])
}

// Count is how many devices of a fleet, from 0, the run has.
func (x *Selection) Count(fleet int) int { return x.counts[fleet] }

// Devices is how many devices the run has; at least 1.
func (x *Selection) Devices() int { return x.devices }

// Shard is the part of the devices among which the run's are.
func (x *Selection) Shard() Shard { return x.shard }

// Chosen reports whether the run's devices were chosen by their keys.
func (x *Selection) Chosen() bool { return x.only != nil }

// Whole reports whether the run has every device of the scenario.
func (x *Selection) Whole() bool { return x.shard.Whole() && x.only == nil }

// String says what is selected: "shard 2/4", "gateways-000012 only"; empty for
// everything.
func (x *Selection) String() string {
	var parts []string
	if !x.shard.Whole() {
		parts = append(parts, "shard "+x.shard.String())
	}
	switch {
	case x.only == nil:
	case len(x.only) == 1:
		for p := range x.only {
			parts = append(parts, x.scenario.Fleets[p.fleet].Device(p.n)+" only")
		}
	default:
		parts = append(parts, fmt.Sprintf("%d chosen devices only", len(x.only)))
	}
	return strings.Join(parts, ", ")
}
