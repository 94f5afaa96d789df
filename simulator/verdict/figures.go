package verdict

import (
	"fmt"
	"strings"
	"time"

	"otafleet/simulator/scenario"
)

// Figures are the sums of a run, or of a part of one: parts are merged.
type Figures struct {
	Devices    int                       // that the run was to have
	Chosen     bool                      // they were chosen by their keys, and no other part belongs to them
	Duration   time.Duration             // from the start to the last event
	Classes    Counts                    // with those that never arrived as unaccounted
	Fleets     []FleetCount              // in the order of the scenario
	Components map[string]map[string]int // component -> status -> devices
	Beliefs    map[string]map[string]int // plan, or empty for all together -> device status at the platform -> devices
	Mistaken   int                       // devices of which the platform believes another version than they run
	Reports    Reports
	Times      Times
	Faults     []FaultCount                      // in the order of the scenario
	Rules      []RuleResult                      // in the order of the scenario
	Refusals   map[string]int                    // reason -> decisions that said no
	Reasons    map[scenario.Class]map[string]int // of unreachable and not_upgraded devices: why -> devices
	Codes      map[string]int                    // error code -> failures that the platform stored
	Bytes      int64                             // verified bytes put in place
	Sessions   int                               // opened over the whole run
	PowerCuts  int
	Violations int // of invariants
	Series     Series
	Windows    Windows        // of the rolling verdict; none for a run without one
	Memory     []MemorySample // in the order of time; none of a run without windows
	// Refused are the scenario's orders that the platform did not carry out, such as
	// because the page was used meanwhile, and why: the first 20, in their order.
	Refused []string

	violations ranking[string]
	slowest    ranking[*DeviceRecord]
	failed     ranking[*DeviceRecord]
	digest     Digest
	idle       byDevice[idle]
	texts      texts
}

// newFigures are those of a run of which nothing is known yet.
func newFigures(s *scenario.Scenario) *Figures {
	f := &Figures{
		Classes: Counts{}, Components: map[string]map[string]int{}, Beliefs: map[string]map[string]int{},
		Refusals: map[string]int{}, Codes: map[string]int{}, Reasons: map[scenario.Class]map[string]int{}, texts: texts{},
		violations: ranking[string]{most: keptViolations},
		slowest:    ranking[*DeviceRecord]{most: keptSlowest}, failed: ranking[*DeviceRecord]{most: KeptFailed},
	}
	f.Windows.Width = s.Windows
	for i := range s.Fleets {
		f.Fleets = append(f.Fleets, FleetCount{Name: s.Fleets[i].Name, Classes: Counts{}})
	}
	for i := range s.Faults {
		f.Faults = append(f.Faults, FaultCount{Name: s.Faults[i].Name, Outcomes: Counts{}})
	}
	for i := range s.Expect.Rules {
		f.Rules = append(f.Rules, newRuleResult(&s.Expect.Rules[i]))
	}
	return f
}

// Merge adds the figures of another part of the same scenario's run. In which
// order parts are merged makes no difference.
func (f *Figures) Merge(other *Figures) {
	f.Devices += other.Devices
	f.Duration = max(f.Duration, other.Duration)
	f.Classes.merge(other.Classes)
	for i := range other.Fleets {
		f.Fleets[i].Count += other.Fleets[i].Count
		f.Fleets[i].Classes.merge(other.Fleets[i].Classes)
	}
	for component, byStatus := range other.Components {
		addAll(f.component(component), byStatus)
	}
	for plan, byStatus := range other.Beliefs {
		addAll(f.beliefs(plan), byStatus)
	}
	f.Mistaken += other.Mistaken
	f.Reports.merge(&other.Reports)
	f.Times.merge(&other.Times)
	for i := range other.Faults {
		f.Faults[i].merge(&other.Faults[i])
	}
	for i := range other.Rules {
		f.Rules[i].merge(&other.Rules[i])
	}
	addAll(f.Refusals, other.Refusals)
	addAll(f.Codes, other.Codes)
	for class, byReason := range other.Reasons {
		for reason, n := range byReason {
			f.add(class, reason, n)
		}
	}
	f.Bytes += other.Bytes
	f.Sessions += other.Sessions
	f.PowerCuts += other.PowerCuts
	f.Violations += other.Violations
	f.Series.merge(&other.Series)
	f.Windows.merge(&other.Windows)
	f.Memory = addSamples(f.Memory, other.Memory)
	f.violations.merge(&other.violations)
	f.slowest.merge(&other.slowest)
	f.failed.merge(&other.failed)
	f.digest.merge(&other.digest)
	f.mergeIdle(other)
	f.addUnaccounted()
}

// mostReasons bounds the distinct reasons of a class: a platform or a
// broker may put anything into its words.
const mostReasons = 20

// add counts devices of a class with a reason.
func (f *Figures) add(class scenario.Class, reason string, n int) {
	byReason := f.Reasons[class]
	if byReason == nil {
		byReason = map[string]int{}
		f.Reasons[class] = byReason
	}
	if _, known := byReason[reason]; !known && len(byReason) >= mostReasons {
		reason = otherReasons
	}
	byReason[reason] += n
}

func addAll(to, from map[string]int) {
	for key, n := range from {
		to[key] += n
	}
}

// addUnaccounted makes the classes sum to the number of devices.
func (f *Figures) addUnaccounted() {
	f.Classes.complement(f.Devices)
	for i := range f.Fleets {
		f.Fleets[i].Classes.complement(f.Fleets[i].Count)
	}
}

// component is how many devices' component has each status.
func (f *Figures) component(id string) map[string]int {
	byStatus := f.Components[id]
	if byStatus == nil {
		byStatus = map[string]int{}
		f.Components[id] = byStatus
	}
	return byStatus
}

func (f *Figures) beliefs(plan string) map[string]int {
	byStatus := f.Beliefs[plan]
	if byStatus == nil {
		byStatus = map[string]int{}
		f.Beliefs[plan] = byStatus
	}
	return byStatus
}

// FirstViolations describes the first violations of invariants, at most 20, in the
// order of the devices.
func (f *Figures) FirstViolations() []string { return f.violations.values() }

// Slowest are the devices whose upgrade took longest, at most 20, the slowest
// first.
func (f *Figures) Slowest() []*DeviceRecord { return f.slowest.values() }

// Failed are the devices worth a look, at most 50: first those that violated an
// invariant, then those that broke a rule, those that failed and those that did not
// come to an end; among these in the order of the devices.
func (f *Figures) Failed() []*DeviceRecord { return f.failed.values() }

// Counts is the number of devices of each class. The classes sum to the number
// of devices.
type Counts map[scenario.Class]int

// complement counts as unaccounted what lacks to the number of devices.
func (c Counts) complement(devices int) {
	delete(c, scenario.Unaccounted)
	c[scenario.Unaccounted] = devices - c.Sum()
}

func (c Counts) merge(other Counts) {
	for class, n := range other {
		c[class] += n
	}
}

// Sum is the number of devices of all classes.
func (c Counts) Sum() int {
	n := 0
	for _, devices := range c {
		n += devices
	}
	return n
}

// String lists the classes that are not empty in one line.
func (c Counts) String() string {
	var parts []string
	for _, class := range scenario.Classes() {
		if n := c[class]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	return strings.Join(parts, ", ")
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
	Undelivered int // did not arrive either, but were on the device at the end, and might yet have
	OutOfOrder  int
	Duplicate   int // arrived again; harmless
	Conflicting int // arrived again, or was stored, with another content
	Illegal     int // broke the status table
}

func (r *Reports) merge(other *Reports) {
	r.Numbered += other.Numbered
	r.Stored += other.Stored
	r.Lost += other.Lost
	r.Undelivered += other.Undelivered
	r.OutOfOrder += other.OutOfOrder
	r.Duplicate += other.Duplicate
	r.Conflicting += other.Conflicting
	r.Illegal += other.Illegal
}

// FaultCount is what became of one declared fault.
type FaultCount struct {
	Name     string
	Drawn    int    // devices for which it was drawn, of those that arrived
	Fired    int    // times it fired
	Outcomes Counts // where the devices ended that it struck
}

// Struck is how many devices the fault has struck.
func (f *FaultCount) Struck() int { return f.Outcomes.Sum() }

func (f *FaultCount) merge(other *FaultCount) {
	f.Drawn += other.Drawn
	f.Fired += other.Fired
	f.Outcomes.merge(other.Outcomes)
}
