package real

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// Snapshot is the state of a run at a moment.
type Snapshot struct {
	Elapsed   time.Duration
	Devices   int // that the run has
	Arrived   int
	Connected int
	Statuses  [5]int // devices that have arrived, by ota.DeviceStatus
	Refusals  int
	Reports   int     // stored by the platform
	Bytes     int64   // verified
	Faults    []Tally // times each has fired, in the order of the scenario
	Failures  []Tally // reports of a failure by its code, the most frequent first
	PowerCuts int
	Upgrades  Times // of the devices that were upgraded, as in a verdict
}

// Tally is how often something has happened.
type Tally struct {
	Name string
	N    int
}

// Times counts durations in classes.
type Times struct {
	UpTo  [timeClasses]int // of them, those that are no longer than each of TimeBounds
	Count int
	Sum   time.Duration
}

const timeClasses = 12

// TimeBounds are the classes of Times, shortest first.
func TimeBounds() [timeClasses]time.Duration {
	return [...]time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
	}
}

// add counts a duration.
func (t *Times) add(d time.Duration) {
	t.Count++
	t.Sum += d
	for i, bound := range TimeBounds() {
		if d <= bound {
			t.UpTo[i]++
		}
	}
}

// Fired is how often any fault has fired.
func (s *Snapshot) Fired() int {
	n := 0
	for _, f := range s.Faults {
		n += f.N
	}
	return n
}

// progress counts what a Snapshot shows.
type progress struct {
	Snapshot          // but for its lists
	names    []string // of the faults
	faults   map[string]int
	failures map[string]int
}

func newProgress(devices int, faults []string) progress {
	return progress{Snapshot: Snapshot{Devices: devices}, names: faults, faults: map[string]int{}, failures: map[string]int{}}
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
func (p *progress) snapshot() Snapshot {
	s := p.Snapshot
	s.Faults = make([]Tally, len(p.names))
	for i, name := range p.names {
		s.Faults[i] = Tally{name, p.faults[name]}
	}
	for _, code := range slices.Sorted(maps.Keys(p.failures)) {
		s.Failures = append(s.Failures, Tally{code, p.failures[code]})
	}
	slices.SortStableFunc(s.Failures, func(a, b Tally) int { return cmp.Compare(b.N, a.N) })
	return s
}
