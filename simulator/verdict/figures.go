package verdict

import (
	"time"

	"otafleet/simulator/scenario"
)

// Figures are the sums of a run.
type Figures struct {
	Devices     int                       // that the run was to have
	Duration    time.Duration             // from the start to the last event
	Classes     Counts                    // with those that never arrived as unaccounted
	Fleets      []FleetCount              // in the order of the scenario
	Components  map[string]map[string]int // component -> status -> devices
	Reports     Reports
	UpgradeTime Quantiles // from the plan at the device to Upgraded at the platform
	Faults      []FaultCount
	Bytes       int64 // verified bytes put in place
	Sessions    int   // opened over the whole run
	PowerCuts   int

	Violations      int // things that never may happen
	FirstViolations []string
}

// Counts is the number of devices of each class. The classes sum to the number
// of devices.
type Counts map[scenario.Class]int

func (c Counts) sum() int {
	n := 0
	for _, devices := range c {
		n += devices
	}
	return n
}

// FleetCount is what became of one fleet.
type FleetCount struct {
	Name    string
	Count   int
	Classes Counts
}

// Reports compares what the devices reported with what the platform stored.
type Reports struct {
	Numbered    int // made durable at the devices
	Stored      int // stored by the platform
	Lost        int // numbered, and never arrived at the platform
	OutOfOrder  int
	Duplicate   int // arrived again; harmless
	Conflicting int // arrived again, or was stored, with another content
	Illegal     int // broke the status table
}

// Quantiles are the percentiles of a time.
type Quantiles struct {
	Count              int
	P50, P95, P99, Max time.Duration
}

// FaultCount is what became of one declared fault.
type FaultCount struct {
	Name  string
	Drawn int // devices for which it was drawn, of those that arrived
	Fired int // times it fired
}
