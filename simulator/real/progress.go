package real

import (
	"cmp"
	"maps"
	"slices"

	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// progress counts what a Snapshot shows.
type progress struct {
	simulator.Snapshot          // but for its lists
	names              []string // of the faults
	faults             map[string]int
	failures           map[string]int
}

func newProgress(devices int, faults []string) progress {
	return progress{Snapshot: simulator.Snapshot{Devices: devices}, names: faults, faults: map[string]int{},
		failures: map[string]int{}}
}

func faultNames(s *scenario.Scenario) []string {
	names := make([]string, len(s.Faults))
	for i := range s.Faults {
		names[i] = s.Faults[i].Name
	}
	return names
}

// count takes one event.
func (p *progress) count(e verdict.Event) {
	switch e.Kind {
	case verdict.Arrived:
		p.Arrived++
		p.Statuses[ota.DeviceNotUpgraded]++
	case verdict.Connected:
		p.Connected++
	case verdict.Disconnected:
		p.Connected--
	case verdict.PowerCut:
		p.PowerCuts++
	case verdict.Downloaded:
		p.Bytes += e.N
	case verdict.FaultFired:
		p.faults[e.Text]++
	case verdict.Answered:
		if e.N == 0 {
			p.Refusals++
		}
	case verdict.Stored:
		p.Reports++
		if e.Text != "" {
			p.failures[e.Text]++
		}
	}
}

// snapshot is a copy, which nothing changes any more.
func (p *progress) snapshot() simulator.Snapshot {
	s := p.Snapshot
	s.Faults = make([]simulator.Tally, len(p.names))
	for i, name := range p.names {
		s.Faults[i] = simulator.Tally{Name: name, N: p.faults[name]}
	}
	for _, code := range slices.Sorted(maps.Keys(p.failures)) {
		s.Failures = append(s.Failures, simulator.Tally{Name: code, N: p.failures[code]})
	}
	slices.SortStableFunc(s.Failures, func(a, b simulator.Tally) int { return cmp.Compare(b.N, a.N) })
	return s
}
