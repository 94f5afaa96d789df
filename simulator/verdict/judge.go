package verdict

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Judge gathers the events of a run. It keeps a few hundred bytes of each
// device and nothing of the events themselves. It is not safe for concurrent
// use. The zero value is not ready: see NewJudge.
type Judge struct {
	devices map[string]*device // those that have arrived
	plans   map[string]int     // a number for each

	faults     map[string]*FaultCount
	faultNames []string
	violations []string
	broken     int // all violations, of which only the first are kept
	reports    Reports
	bytes      int64
	cuts       int
	sessions   int
	last       time.Duration
}

// device is what is kept of one device.
type device struct {
	fleet     string
	connected bool // ever
	refused   string
	plans     []tally
	parts     []part
	began     time.Duration // when it had its plan
	ended     time.Duration // when it was upgraded
}

// tally is a device's part of one plan: its status, and both ends' view of its
// reports.
type tally struct {
	plan              int
	status            ota.DeviceStatus
	numbered, arrived int
	said, heard       uint64 // running hashes over the reports in order
}

// part is the last that the platform stored of a component.
type part struct {
	component string
	status    ota.Status
}

// NewJudge returns a judge of a run in which the named faults are declared.
func NewJudge(faults ...string) *Judge {
	j := &Judge{
		devices: map[string]*device{}, plans: map[string]int{},
		faults: map[string]*FaultCount{}, faultNames: faults,
	}
	for _, name := range faults {
		j.faults[name] = &FaultCount{Name: name}
	}
	return j
}

// Drawn notes for how many devices a fault was drawn.
func (j *Judge) Drawn(fault string, devices int) {
	if f := j.faults[fault]; f != nil {
		f.Drawn += devices
	}
}

// keptViolations bounds what is shown of a thoroughly broken run.
const keptViolations = 20

// Add takes one event. Events of one device must come in their order, its
// arrival first; events of different devices may come in any. What is said of a
// device that has not arrived is of no device of the run, and ignored.
func (j *Judge) Add(e Event) {
	d := j.devices[e.Device]
	if d == nil {
		if e.Kind != Arrived {
			return
		}
		d = &device{}
		j.devices[e.Device] = d
	}
	j.last = max(j.last, e.At)
	switch e.Kind {
	case FaultFired:
		if f := j.faults[e.Text]; f != nil {
			f.Fired++
		}
	case Violation:
		j.broken++
		if len(j.violations) < keptViolations {
			j.violations = append(j.violations, e.Device+": "+e.Text)
		}
	case Illegal:
		j.reports.Illegal++
		j.tally(d, e.Plan).arrive(e)
	case OutOfOrder:
		j.reports.OutOfOrder++
	case Duplicate:
		j.reports.Duplicate++
	case Conflicting:
		j.reports.Conflicting++
	default:
		j.addOf(d, e)
	}
}

func (j *Judge) addOf(d *device, e Event) {
	switch e.Kind {
	case Arrived:
		d.fleet = e.Text
	case Connected:
		d.connected = true
		j.sessions++
	case PowerCut:
		j.cuts++
	case Downloaded:
		j.bytes += e.N
	case Numbered:
		j.numbered(d, e)
	case Stored:
		j.stored(d, e)
	case Answered:
		d.refused = e.Text
		if e.N == 1 {
			d.refused = ""
		}
	case StatusIs:
		t := j.tally(d, e.Plan)
		t.status = ota.DeviceStatus(e.N)
		if t.status == ota.DeviceUpgraded {
			d.ended = e.At
		}
	}
}

func (j *Judge) numbered(d *device, e Event) {
	t := j.tally(d, e.Plan)
	t.numbered++
	t.said = t.said*31 + uint64(e.N)
	if e.Status == ota.PlanReceived && d.began == 0 {
		d.began = e.At
	}
	j.reports.Numbered++
}

func (j *Judge) stored(d *device, e Event) {
	j.tally(d, e.Plan).arrive(e)
	d.part(e.Component).status = e.Status
	j.reports.Stored++
}

// arrive takes a report at the platform, in its turn.
func (t *tally) arrive(e Event) {
	t.arrived++
	t.heard = t.heard*31 + uint64(e.N)
}

func (j *Judge) tally(d *device, plan string) *tally {
	id, known := j.plans[plan]
	if !known {
		id = len(j.plans)
		j.plans[plan] = id
	}
	for i := range d.plans {
		if d.plans[i].plan == id {
			return &d.plans[i]
		}
	}
	d.plans = append(d.plans, tally{plan: id})
	return &d.plans[len(d.plans)-1]
}

func (d *device) part(component string) *part {
	for i := range d.parts {
		if d.parts[i].component == component {
			return &d.parts[i]
		}
	}
	d.parts = append(d.parts, part{component: component})
	return &d.parts[len(d.parts)-1]
}

// Status is a device's status over all plans, and whether the device has arrived.
func (j *Judge) Status(name string) (status ota.DeviceStatus, arrived bool) {
	d := j.devices[name]
	if d == nil {
		return ota.DeviceNotUpgraded, false
	}
	return d.status(), true
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

// Figures sums up what was added. The fleets are those that the run was to have:
// a device of them that never arrived is unaccounted.
func (j *Judge) Figures(fleets []FleetSize) *Figures {
	f := &Figures{
		Duration: j.last, Classes: Counts{}, Fleets: make([]FleetCount, len(fleets)),
		Components: map[string]map[string]int{}, Reports: j.reports, Bytes: j.bytes, PowerCuts: j.cuts, Sessions: j.sessions,
		Violations: j.broken, FirstViolations: j.violations,
	}
	byName := make(map[string]Counts, len(fleets))
	for i, fleet := range fleets {
		f.Devices += fleet.Devices
		f.Fleets[i] = FleetCount{fleet.Name, fleet.Devices, Counts{}}
		byName[fleet.Name] = f.Fleets[i].Classes
	}
	times := hdrhistogram.New(1, int64(24*time.Hour/time.Millisecond), 3)
	for _, d := range j.devices {
		class := d.classify()
		f.Classes[class]++
		if fleet := byName[d.fleet]; fleet != nil {
			fleet[class]++
		}
		d.sum(f)
		if class == scenario.Upgraded && d.ended > d.began {
			// A value beyond a day cannot be recorded, and no run lasts that long.
			_ = times.RecordValue(max(1, (d.ended - d.began).Milliseconds()))
		}
	}
	f.addUnaccounted()
	f.UpgradeTime = quantiles(times)
	for _, name := range j.faultNames {
		f.Faults = append(f.Faults, *j.faults[name])
	}
	return f
}

// addUnaccounted lets the classes sum to the number of devices.
func (f *Figures) addUnaccounted() {
	f.Classes[scenario.Unaccounted] = f.Devices - f.Classes.sum()
	for i := range f.Fleets {
		fleet := &f.Fleets[i]
		fleet.Classes[scenario.Unaccounted] = fleet.Count - fleet.Classes.sum()
	}
}

// sum adds what one device says of components and reports.
func (d *device) sum(f *Figures) {
	for _, p := range d.parts {
		byStatus := f.Components[p.component]
		if byStatus == nil {
			byStatus = map[string]int{}
			f.Components[p.component] = byStatus
		}
		byStatus[p.status.String()]++
	}
	for _, t := range d.plans {
		f.Reports.Lost += max(0, t.numbered-t.arrived)
		if t.numbered == t.arrived && t.said != t.heard {
			f.Reports.Conflicting++
		}
	}
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Millisecond }
	return Quantiles{Count: int(h.TotalCount()), P50: at(50), P95: at(95), P99: at(99),
		Max: time.Duration(h.Max()) * time.Millisecond}
}
