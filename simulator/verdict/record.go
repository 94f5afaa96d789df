package verdict

import (
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// DeviceRecord is what is kept of a device worth a look.
type DeviceRecord struct {
	Device string
	Fleet  string
	Class  scenario.Class
	// Took is from a plan at the device to Upgraded at the platform, the longest of
	// its plans; 0 if it was not upgraded.
	Took       time.Duration
	Reason     string // why it never connected or never began; empty if it did
	Refused    string // the reason of its last answer, if that was no
	Components []ComponentEnd
	Faults     []string // that struck it
	Violations []string
	Rules      []string // that it broke

	Log     []Event // its last events; none without logs
	Earlier int     // how many events came before these
}

// ComponentEnd is the last that the platform stored of a component.
type ComponentEnd struct {
	Component string
	Status    ota.Status
	Code      string // of a failure
}

// KeptFailed is how many devices worth a look are kept.
const KeptFailed = 50

// How many other devices, events and violations are kept.
const (
	keptSlowest    = 20
	keptEvents     = 60
	keptViolations = 20
)

// rank keeps the device if it is among the slowest or the first failed ones.
func (d *DeviceJudge) rank(class scenario.Class) {
	f := d.judge.sums
	for _, text := range d.violations {
		f.violations.add(0, d.ordinal, d.Name()+": "+text)
	}
	took := d.took(class)
	key, failed := d.severity(class)
	slow := took > 0 && f.slowest.wants(-int64(took), d.ordinal)
	failed = failed && f.failed.wants(key, d.ordinal)
	if !slow && !failed {
		return
	}
	r := d.record(class)
	if slow {
		f.slowest.add(-int64(took), d.ordinal, r)
	}
	if failed {
		f.failed.add(key, d.ordinal, r)
	}
}

// took is the time of the longest upgrade; 0 if the device did not end well.
func (d *DeviceJudge) took(class scenario.Class) time.Duration {
	if class != scenario.Upgraded {
		return 0
	}
	longest := d.longest
	for i := range d.plans {
		took, _ := d.plans[i].took()
		longest = max(longest, took)
	}
	return longest
}

// severity says whether a person should look at the device, and how urgently:
// the smallest first.
func (d *DeviceJudge) severity(class scenario.Class) (key int64, failed bool) {
	if len(d.violations) > 0 {
		return 0, true
	}
	for i := range d.rules {
		if d.rules[i].broken {
			return 1, true
		}
	}
	switch class {
	case scenario.UpgradeFailed:
		return 2, true
	case scenario.Unfinished:
		return 3, true
	case scenario.Unreachable:
		return 4, true
	case scenario.NotUpgraded:
		return 5, true
	case scenario.Refused:
		return 6, true
	}
	return 0, false
}

func (d *DeviceJudge) record(class scenario.Class) *DeviceRecord {
	s := d.judge.scenario
	r := &DeviceRecord{Device: d.Name(), Fleet: s.Fleets[d.fleet].Name, Class: class, Took: d.took(class),
		Reason: d.reason(class), Refused: d.refused, Log: d.log.list(), Earlier: d.log.earlier()}
	r.Violations = append(r.Violations, d.violations...)
	for i := range d.parts {
		if p := &d.parts[i]; p.stored {
			r.Components = append(r.Components, ComponentEnd{p.component, p.status, p.code})
		}
	}
	for i, struck := range d.struck {
		if struck {
			r.Faults = append(r.Faults, s.Faults[i].Name)
		}
	}
	for i := range d.rules {
		if d.rules[i].broken {
			r.Rules = append(r.Rules, s.Expect.Rules[i].Name)
		}
	}
	return r
}

// eventLog keeps the last events of a device.
type eventLog struct {
	events []Event
	total  int
}

func (l *eventLog) add(e *Event) {
	if l.total > 0 && joins(&l.events[(l.total-1)%keptEvents], e) {
		return
	}
	if len(l.events) < keptEvents {
		l.events = append(l.events, *e)
	} else {
		l.events[l.total%keptEvents] = *e
	}
	l.total++
}

// joins adds downloaded bytes to those before them, so that a log does not consist
// of chunks, and reports whether it did.
func joins(last, e *Event) bool {
	if last.Kind != Downloaded || e.Kind != Downloaded {
		return false
	}
	last.At, last.N = e.At, last.N+e.N
	return true
}

// list gives a copy of what is kept, in order.
func (l *eventLog) list() []Event {
	if len(l.events) == 0 {
		return nil
	}
	oldest := 0
	if l.total > keptEvents {
		oldest = l.total % keptEvents
	}
	return append(append([]Event(nil), l.events[oldest:]...), l.events[:oldest]...)
}

func (l *eventLog) earlier() int { return l.total - len(l.events) }

// emptied is an empty log in the same memory.
func (l *eventLog) emptied() eventLog { return eventLog{events: l.events[:0]} }

// Remember takes the device's next event into its log. For a history
// that is read after its run was judged, when it is known which devices are shown.
func (r *DeviceRecord) Remember(e *Event) {
	if len(r.Log) == 0 && e.Kind != Arrived {
		return // not of this run
	}
	if n := len(r.Log); n > 0 && joins(&r.Log[n-1], e) {
		return
	}
	if len(r.Log) == keptEvents {
		copy(r.Log, r.Log[1:])
		r.Log = r.Log[:keptEvents-1]
		r.Earlier++
	}
	r.Log = append(r.Log, *e)
}
