package scenario

import (
	"cmp"
	"time"
)

// The bounds of a scenario.
const (
	MaxDevices  = 1_000_000           // devices of all fleets together
	MaxFleets   = 100                 // fleets of a scenario
	MaxPlans    = 100                 // plans of a scenario
	MaxEvents   = 100                 // events of a scenario
	MaxFaults   = 100                 // faults of a scenario
	MaxRules    = 100                 // rules of each sort, never and always
	MaxStages   = 100                 // stages of an arrival
	MaxPackages = 1 << 30             // bytes of all packages together, which are held in memory
	MinDuration = time.Second         // of a run
	MaxDuration = 90 * 24 * time.Hour // of a run, and of what lasts within it
)

// Scenario is one run: devices, plans, what happens, and the verdict's measure.
// Parse makes it; it is not changed afterwards, so it may be shared.
type Scenario struct {
	Name        string
	Description string
	Seed        uint64        // of every draw
	Duration    time.Duration // after it the run ends, finished or not
	Windows     time.Duration // width of a window of the rolling verdict; 0 for a run without one
	Platform    string        // whose dialect devices speak, if the run does not say; empty for native
	Fleets      []Fleet
	Plans       []Plan
	Events      []Event // in the document's order, not in that of time
	Faults      []Fault
	Expect      Expect
	Compare     Compare
	Warnings    []string // of what can never happen: one line each, with its place in the document

	keyPrefix string // of numbered devices
	index     index  // of listed ones; nil for none
}

// KeyPrefix is before the keys of numbered devices; empty for none.
func (s *Scenario) KeyPrefix() string { return s.keyPrefix }

// Platforms lists the platforms that a scenario may be for.
func Platforms() []string { return []string{"native", "hawkbit", "quecthing"} }

// SeedOr is the seed of a run that is given one; 0 means the scenario's.
func (s *Scenario) SeedOr(given uint64) uint64 { return cmp.Or(given, s.Seed) }

// Devices is the number of devices of all fleets.
func (s *Scenario) Devices() int {
	n := 0
	for i := range s.Fleets {
		n += s.Fleets[i].Count
	}
	return n
}

// Fleet finds a fleet by its name; nil if there is none.
func (s *Scenario) Fleet(name string) *Fleet {
	for i := range s.Fleets {
		if s.Fleets[i].Name == name {
			return &s.Fleets[i]
		}
	}
	return nil
}

// Plan finds a plan by its name; nil if there is none.
func (s *Scenario) Plan(name string) *Plan {
	for i := range s.Plans {
		if s.Plans[i].Name == name {
			return &s.Plans[i]
		}
	}
	return nil
}

// Gateway finds the device that speaks for the fleet's n-th device: one of the
// fleet behind which it is, in turn. It is the device itself for a fleet that
// is behind none.
func (s *Scenario) Gateway(f *Fleet, n int) (gateways *Fleet, number int) {
	if f.Behind == "" {
		return f, n
	}
	gateways = s.Fleet(f.Behind)
	return gateways, (n-1)%gateways.Count + 1
}

// Arrival is when the fleet's n-th device connects for the first time, from the
// start of the run. A device behind a gateway arrives with it.
func (s *Scenario) Arrival(f *Fleet, n int) time.Duration {
	speaker, number := s.Gateway(f, n)
	return speaker.Arrive.At(number, speaker.Count)
}
