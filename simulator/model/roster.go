package model

import (
	"cmp"
	"slices"
	"time"

	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
)

// Member is a device of a scenario.
type Member struct {
	Fleet *scenario.Fleet
	Index int // of the fleet, from 0
	N     int // of the device, from 1
	// Extra says that the run does not have the device: it is there to speak for others.
	Extra bool
}

// Group is a device with a session of its own, and the devices that it speaks for.
type Group struct {
	At      time.Duration // when they get power for the first time
	Members []Member      // the one with the session first
}

// Gateway is the device with the session.
func (g *Group) Gateway() Member { return g.Members[0] }

// Behind are the devices that it speaks for.
func (g *Group) Behind() []Member { return g.Members[1:] }

// Roster lists the devices of a run. It is not safe for concurrent use.
type Roster struct {
	scenario *scenario.Scenario
	chosen   *selection.Selection
	behind   map[string][]int // by the gateway fleet's name, the fleets behind it
	fleet    int              // of the next group
	n        int              // of its first device
}

// NewRoster lists the chosen devices of a scenario.
func NewRoster(s *scenario.Scenario, chosen *selection.Selection) *Roster {
	r := &Roster{scenario: s, chosen: chosen, behind: map[string][]int{}, n: 1}
	for i := range s.Fleets {
		if b := s.Fleets[i].Behind; b != "" {
			r.behind[b] = append(r.behind[b], i)
		}
	}
	return r
}

// Next gives the next group; false when there is none any more.
func (r *Roster) Next() (Group, bool) {
	for r.fleet < len(r.scenario.Fleets) {
		f := &r.scenario.Fleets[r.fleet]
		if f.Behind != "" || r.n > f.Count {
			r.fleet, r.n = r.fleet+1, 1
			continue
		}
		r.n++
		if g, some := r.group(f, r.n-1); some {
			return g, true
		}
	}
	return Group{}, false
}

// group is that of device n of the fleet under way; false if none of it was chosen. A
// gateway is there if only a device behind it was.
func (r *Roster) group(f *scenario.Fleet, n int) (Group, bool) {
	some := r.chosen.Has(r.fleet, n)
	g := Group{At: r.scenario.Arrival(f, n), Members: []Member{{Fleet: f, Index: r.fleet, N: n, Extra: !some}}}
	for _, i := range r.behind[f.Name] {
		sub := &r.scenario.Fleets[i]
		for k := n; k <= sub.Count; k += f.Count { // as Scenario.Gateway counts
			if r.chosen.Has(i, k) {
				g.Members = append(g.Members, Member{Fleet: sub, Index: i, N: k})
				some = true
			}
		}
	}
	return g, some
}

// Arrivals are all groups in the order in which they arrive.
func Arrivals(s *scenario.Scenario, chosen *selection.Selection) []Group {
	var all []Group
	roster := NewRoster(s, chosen)
	for g, some := roster.Next(); some; g, some = roster.Next() {
		all = append(all, g)
	}
	slices.SortStableFunc(all, func(a, b Group) int { return cmp.Compare(a.At, b.At) })
	return all
}
