package verdict

import (
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Judge gathers the events of a run, or of some of its devices. It keeps a few
// hundred bytes of each device that it has not closed, and nothing of the events
// themselves unless it keeps logs. It is not safe for concurrent use;
// several judges may share a run, and their figures are merged.
type Judge struct {
	// Immutable.
	scenario *scenario.Scenario
	keepLogs bool
	first    []int          // the ordinal of each fleet's first device
	faults   map[string]int // by name, their index in the scenario
	fleets   map[string]int // by name, likewise
	devices  *scenario.Finder
	watches  []watch       // the rules of the scenario
	patience time.Duration // with what is on its way

	open    byDevice[*DeviceJudge]
	free    []*DeviceJudge // closed, to be used again
	sums    *Figures       // over the closed devices, and what needs no device
	scratch []byte

	finished int    // windows that are over
	shown    string // the last of them, in a line
}

// Logs says whether a Judge keeps the last events of each device until it is
// closed, about 8 KiB each, so that the figures have the logs of the devices that
// failed or were slow.
type Logs bool

// The two ways.
const (
	WithoutLogs Logs = false
	WithLogs    Logs = true
)

// NewJudge returns a judge of a scenario's run.
func NewJudge(s *scenario.Scenario, logs Logs) *Judge {
	j := &Judge{scenario: s, keepLogs: bool(logs), faults: map[string]int{}, fleets: map[string]int{},
		devices: scenario.NewFinder(s), patience: s.Patience(), sums: newFigures(s)}
	ordinal := 0
	for i := range s.Fleets {
		j.first = append(j.first, ordinal)
		j.fleets[s.Fleets[i].Name] = i
		ordinal += s.Fleets[i].Count
	}
	for i := range s.Faults {
		j.faults[s.Faults[i].Name] = i
	}
	for i := range s.Expect.Rules {
		j.watches = append(j.watches, newWatch(s, &s.Expect.Rules[i], j.fleets))
	}
	return j
}

// Drawn notes for how many devices a fault was drawn.
func (j *Judge) Drawn(fault string, devices int) {
	if i, known := j.faults[fault]; known {
		j.sums.Faults[i].Drawn += devices
	}
}

// Add takes one event. Events of one device must come in their order, its
// arrival first; events of different devices may come in any. What is said of a
// device that has not arrived, or that the scenario does not have, is ignored.
func (j *Judge) Add(e Event) {
	if fleet, n, known := j.Find(e.Device); known {
		j.Device(fleet, n).Add(&e)
	}
}

// Device is the judge of one device: the n-th, from 1, of a fleet, from 0. It
// spares the search by name for each event. It panics if the scenario has no
// such device.
func (j *Judge) Device(fleet, n int) *DeviceJudge {
	slot := j.open.at(j.ordinal(fleet, n))
	if *slot == nil {
		*slot = j.begin(fleet, n)
	}
	return *slot
}

func (j *Judge) ordinal(fleet, n int) int { return j.first[fleet] + n - 1 }

// Find takes a device's key apart: it is the device n, from 1, of a fleet, from 0.
// known says whether the scenario has the device.
func (j *Judge) Find(key string) (fleet, n int, known bool) { return j.devices.Find(key) }

// Status is a device's status over all plans, and whether the device has
// arrived. It knows of devices that are not closed.
func (j *Judge) Status(name string) (status ota.DeviceStatus, arrived bool) {
	fleet, n, known := j.Find(name)
	if !known {
		return ota.DeviceNotUpgraded, false
	}
	d := j.open.get(j.ordinal(fleet, n))
	if d == nil || *d == nil {
		return ota.DeviceNotUpgraded, false
	}
	return (*d).status, (*d).arrived
}

// Took is how long the upgrade of a device under a plan took, from the plan at the
// device to Upgraded at the platform; false if it is not upgraded under it. It
// knows of devices that are not closed.
func (j *Judge) Took(name, plan string) (took time.Duration, upgraded bool) {
	fleet, n, known := j.Find(name)
	if !known {
		return 0, false
	}
	d := j.open.get(j.ordinal(fleet, n))
	if d == nil || *d == nil {
		return 0, false
	}
	return (*d).tally(plan).took()
}

// FleetSize is how many devices a fleet of a run has.
type FleetSize struct {
	Name    string
	Devices int
}

// Sizes lists the fleets of a scenario.
func Sizes(s *scenario.Scenario) []FleetSize {
	sizes := make([]FleetSize, len(s.Fleets))
	for i := range s.Fleets {
		sizes[i] = FleetSize{s.Fleets[i].Name, s.Fleets[i].Count}
	}
	return sizes
}

// Figures closes every device and sums up what was added; then the judge is at
// its end. The fleets are those that it answers for: a device of them that never
// arrived is unaccounted. Of several judges that share a run, one may answer for
// all: give the others nil, and merge.
func (j *Judge) Figures(fleets []FleetSize) *Figures {
	for _, d := range j.open.all() {
		if *d != nil {
			(*d).Close()
		}
	}
	f := j.sums
	for _, fleet := range fleets {
		f.Devices += fleet.Devices
		if i, known := j.fleets[fleet.Name]; known {
			f.Fleets[i].Count += fleet.Devices
		}
	}
	f.addUnaccounted()
	return f
}

// measure takes how long a part of an upgrade took that ends at a time.
func (j *Judge) measure(span scenario.Span, at, took time.Duration) {
	j.sums.Times.Of(span).Add(took)
	if w := j.sums.Windows.at(at); w != nil {
		w.times.of(span).add(took)
	}
}

// last notes that something happened at this time.
func (j *Judge) last(at time.Duration) { j.sums.Duration = max(j.sums.Duration, at) }
