package scenario

import (
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// Rule is about the order in which things happen to each device. All events of
// one judgement are of the same device.
type Rule struct {
	Name   string        // unique; made of what the rule says if the scenario gives none
	Never  bool          // no event fits Match; else each that does is followed by one that fits Then
	Fleet  string        // the devices that it is about; empty for all
	Match  Pattern       // the events that it is about
	After  *Pattern      // only those after an earlier event that fits this; nil for all
	Then   *Pattern      // nil if Never
	Within time.Duration // from Match to Then; 0 for the end of the run
}

// Pattern is what an event has to be. Each field that is given must be the
// event's; which fields an event has is said by EventKinds.
type Pattern struct {
	Event     EventKind
	Plan      string
	Component string
	Fault     string
	Status    *ota.Status // nil for any
	Code      ota.Code    // of a failure
}

// EventKind is what an event of a run's history is.
type EventKind string

// The kinds of events. EventKinds says what each is.
const (
	EventArrived       EventKind = "arrived"
	EventConnected     EventKind = "connected"
	EventDisconnected  EventKind = "disconnected"
	EventPowerCut      EventKind = "power_cut"
	EventFaultFired    EventKind = "fault_fired"
	EventDownloaded    EventKind = "downloaded"
	EventNumbered      EventKind = "numbered"
	EventStored        EventKind = "stored"
	EventConfirmed     EventKind = "confirmed"
	EventRefused       EventKind = "refused"
	EventUpgraded      EventKind = "upgraded"
	EventUpgradeFailed EventKind = "upgrade_failed"
	EventViolation     EventKind = "violation"
)

// The fields of a pattern beside the event, ParamPlan and ParamComponent. Fault
// and code are the scenario's words for them too.
const (
	ParamFault = "fault"
	ParamCode  = "code"
)

// EventKindRow is one line of the table of events.
type EventKindRow struct {
	Kind     EventKind
	Sentence string   // what has happened
	Params   []string // what can be asked of it
}

// EventKinds returns the table of events, the device's first and then the
// platform's.
func EventKinds() []EventKindRow {
	report, plan, fault := []string{ParamPlan, ParamComponent, ParamStatus, ParamCode}, []string{ParamPlan},
		[]string{ParamFault}
	return []EventKindRow{
		{EventArrived, "the device was switched on for the first time", nil},
		{EventConnected, "a session with the platform was opened", nil},
		{EventDisconnected, "a session was lost", nil},
		{EventPowerCut, "the device lost its power", fault},
		{EventFaultFired, "a fault struck", fault},
		{EventDownloaded, "verified bytes were put in place", nil},
		{EventNumbered, "the device made a report durable", report},
		{EventViolation, "an invariant was violated", nil},
		{EventStored, "the platform stored a report", report},
		{EventConfirmed, "the device accepted the plan", plan},
		{EventRefused, "the device refused the plan", plan},
		{EventUpgraded, "the platform called the device upgraded", plan},
		{EventUpgradeFailed, "the platform called the device's upgrade failed", plan},
	}
}

// Row is the kind's line of the table; false for an unknown kind.
func (k EventKind) Row() (EventKindRow, bool) {
	for _, row := range EventKinds() {
		if row.Kind == k {
			return row, true
		}
	}
	return EventKindRow{}, false
}

// Takes reports whether the event has a field.
func (r EventKindRow) Takes(param string) bool { return slices.Contains(r.Params, param) }

// String says the pattern in words: stored upgrade_failed signature_invalid of
// motor in spring.
func (p *Pattern) String() string {
	words := []string{string(p.Event)}
	if p.Status != nil {
		words = append(words, p.Status.String())
	}
	words = append(words, string(p.Code), p.Fault)
	if p.Component != "" {
		words = append(words, "of", p.Component)
	}
	if p.Plan != "" {
		words = append(words, "in", p.Plan)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// words says the rule: never stored upgrade_succeeded of motor after power_cut.
func (r *Rule) words() string {
	text := "always "
	if r.Never {
		text = "never "
	}
	text += r.Match.String()
	if r.After != nil {
		text += " after " + r.After.String()
	}
	if r.Then != nil {
		text += " then " + r.Then.String()
	}
	if r.Within > 0 {
		text += " within " + yamlform.FormatDuration(r.Within)
	}
	if r.Fleet != "" {
		text += " on " + r.Fleet
	}
	return text
}
