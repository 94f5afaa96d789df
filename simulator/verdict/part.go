package verdict

import (
	"fmt"

	"otafleet/simulator/scenario"
)

// portion is which of a scenario's devices figures are about.
type portion uint8

// All of them; a shard, whose figures are merged with those of the others; or a few
// that were chosen by their keys, beside which there will be no others.
const (
	whole portion = iota
	shard
	chosen
)

// partOf says which devices of a scenario the figures are about.
func (f *Figures) partOf(s *scenario.Scenario) portion {
	switch {
	case f.Devices >= s.Devices():
		return whole
	case f.Chosen:
		return chosen
	}
	return shard
}

// judge judges a number in a part of a run, of which others in the whole run lack;
// negative if unknown.
//
// In a shard, what others add can still make a count hold or break it, unless it is
// beyond that already. A share is judged as it is: the shard stands for the whole. A
// few chosen devices stand for no others, so there a share is a count out of all, too.
func (p portion) judge(e Expectation, c scenario.Comparison, n, others int) Expectation {
	switch {
	case p == whole, p == shard && c.Percent:
		return e
	case c.Percent && others < 0:
		return e.deferred(p)
	}
	can, must := bounds(c, n, others, e.Occasions+others)
	switch {
	case !can:
		e.Held = false
	case must:
		e.Held = true
	default:
		e = e.deferred(p)
	}
	return e
}

// bounds says whether a comparison can hold, and whether it must, if between 0 and
// so many are added to n; negative for any number. all is what a share is of.
func bounds(c scenario.Comparison, n, others, all int) (can, must bool) {
	now := c.Holds(n, all)
	if others == 0 {
		return now, now
	}
	switch c.Op {
	case scenario.AtLeast, scenario.Above:
		return now || others < 0 || c.Holds(n+others, all), now
	case scenario.AtMost, scenario.Below:
		return now, now && others > 0 && c.Holds(n+others, all)
	}
	for more := 0; more <= others || others < 0; more++ {
		if c.Holds(n+more, all) {
			return true, false
		}
		if !c.Percent && float64(n+more) > c.Value {
			break
		}
	}
	return false, false
}

// deferred leaves the judgement to the verdict on all devices.
func (e Expectation) deferred(p portion) Expectation {
	e.Held, e.Deferred = true, true
	if p == chosen {
		e.Measured += " on the chosen devices; not judged: only all devices can tell"
	} else {
		e.Measured += " in this part; to be judged over all"
	}
	return e
}

// expectEnds judges where chosen devices ended, which counts over all devices cannot
// decide: each ends well, or as the scenario expects of some device of its fleet.
func expectEnds(s *scenario.Scenario, f *Figures) Expectation {
	e := Expectation{Name: "the chosen devices end as the scenario has it",
		Measured: f.Classes.String(), Held: true, Occasions: f.Devices}
	bad := Counts{}
	for i := range f.Fleets {
		for class, n := range f.Fleets[i].Classes {
			well := class == scenario.Upgraded || class == scenario.NoUpdateRequired
			if n > 0 && !well && !expects(s, f.Fleets[i].Name, class) {
				bad[class] += n
			}
		}
	}
	if bad.Sum() > 0 {
		e.Held, e.Measured = false, fmt.Sprintf("%s, which the scenario expects of none", bad)
	}
	return e
}

// expects reports whether a scenario has room for a device of a fleet in a class.
func expects(s *scenario.Scenario, fleet string, class scenario.Class) bool {
	for _, e := range s.Expect.Devices {
		if e.Class == class && (e.Fleet == "" || e.Fleet == fleet) && hasRoom(s, e) {
			return true
		}
	}
	return false
}

// hasRoom reports whether an expectation can hold with a device in its class.
func hasRoom(s *scenario.Scenario, e scenario.DeviceExpectation) bool {
	all := s.Devices()
	if e.Fleet != "" {
		all = s.Fleet(e.Fleet).Count
	}
	can, _ := bounds(e.Comparison, 1, all-1, all)
	return can
}
