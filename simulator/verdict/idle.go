package verdict

import (
	"cmp"
	"iter"
	"slices"

	"otafleet/simulator/scenario"
)

// Idle is a device that never began: unreachable, or not upgraded.
type Idle struct {
	Device string
	Class  scenario.Class
	Reason string // one printable line
}

// IdleGroup is how many devices never began for one reason.
type IdleGroup struct {
	Class   scenario.Class
	Reason  string
	Devices int
	Example string // the first of these devices
}

// idle is what is kept of a device that never began.
type idle struct {
	class  scenario.Class // empty for a device that did begin
	reason string
}

// otherReasons counts what comes after mostReasons.
const otherReasons = "other reasons"

// leave notes that a device never began.
func (f *Figures) leave(ordinal int, class scenario.Class, reason string) {
	f.add(class, reason, 1)
	*f.idle.at(ordinal) = idle{class, f.texts.of(reason)}
}

// texts holds the same words of many devices once. Most reasons are few.
type texts map[string]string

func (t texts) of(text string) string {
	if known, is := t[text]; is {
		return known
	}
	if len(t) < mostReasons {
		t[text] = text
	}
	return text
}

// Idle lists every device that never began, in the order of the scenario.
func (f *Figures) Idle(s *scenario.Scenario) iter.Seq[Idle] {
	return func(yield func(Idle) bool) {
		first := 0
		for i := range s.Fleets {
			fleet := &s.Fleets[i]
			for n := 1; n <= fleet.Count; n++ {
				d := f.idle.get(first + n - 1)
				if d != nil && d.class != "" && !yield(Idle{fleet.Device(n), d.class, d.reason}) {
					return
				}
			}
			first += fleet.Count
		}
	}
}

// IdleGroups are the reasons of devices that never began: by class, and those of most
// devices first.
func (f *Figures) IdleGroups(s *scenario.Scenario) []IdleGroup {
	examples := map[scenario.Class]map[string]string{}
	for d := range f.Idle(s) {
		known := examples[d.Class]
		if known == nil {
			known = map[string]string{}
			examples[d.Class] = known
		}
		if f.Reasons[d.Class][d.Reason] == 0 {
			d.Reason = otherReasons
		}
		if known[d.Reason] == "" {
			known[d.Reason] = d.Device
		}
	}
	var groups []IdleGroup
	for _, class := range scenario.Classes() {
		first := len(groups)
		for reason, n := range f.Reasons[class] {
			groups = append(groups, IdleGroup{class, reason, n, examples[class][reason]})
		}
		slices.SortFunc(groups[first:], func(a, b IdleGroup) int {
			return cmp.Or(cmp.Compare(b.Devices, a.Devices), cmp.Compare(a.Reason, b.Reason))
		})
	}
	return groups
}

// mergeIdle takes over the devices of another part of the run.
func (f *Figures) mergeIdle(other *Figures) {
	for ordinal, d := range other.idle.all() {
		if d.class != "" {
			*f.idle.at(ordinal) = idle{d.class, f.texts.of(d.reason)}
		}
	}
}
