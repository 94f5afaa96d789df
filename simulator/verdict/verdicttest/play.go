package verdicttest

import (
	"cmp"
	"slices"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// Play hands out the events of a whole run, in the order of time.
func Play(s *scenario.Scenario, seed uint64, take func(verdict.Event)) {
	var all []verdict.Event
	for fleet := range s.Fleets {
		for n := 1; n <= s.Fleets[fleet].Count; n++ {
			all = append(all, History(s, seed, fleet, n)...)
		}
	}
	slices.SortStableFunc(all, func(a, b verdict.Event) int { return cmp.Compare(a.At, b.At) })
	for _, e := range all {
		take(e)
	}
}

// Judge judges a whole run, with the logs of devices.
func Judge(s *scenario.Scenario, seed uint64) *verdict.Verdict {
	j := verdict.NewJudge(s, verdict.WithLogs)
	Play(s, seed, j.Add)
	for fault, devices := range Drawn(s, seed) {
		j.Drawn(fault, devices)
	}
	return verdict.New(s, seed, "virtual", j.Figures(verdict.Sizes(s)))
}

// Drawn is for how many devices each fault is drawn.
func Drawn(s *scenario.Scenario, seed uint64) map[string]int {
	drawn := map[string]int{}
	for fleet := range s.Fleets {
		for n := 1; n <= s.Fleets[fleet].Count; n++ {
			for _, fault := range begin(s, seed, fleet, n).faults {
				drawn[fault.Name]++
			}
		}
	}
	return drawn
}
