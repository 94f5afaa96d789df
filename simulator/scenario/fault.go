package scenario

import (
	"time"

	"otafleet/internal/ota"
)

// Place is where in its life a fault strikes a device: a component status, or
// one of the places beside them.
type Place string

// The places beside the component statuses.
const (
	AtConnect Place = "connect" // the session with the platform is up
	AtPoll    Place = "poll"    // the device asks whether there is something for it
	AtReport  Place = "report"  // a report is being sent
	AtBoot    Place = "boot"    // the device starts
	AtHealth  Place = "health"  // the new version is being judged
)

// At is the place where a component enters a status.
func At(s ota.Status) Place { return Place(s.String()) }

// Places lists all places, in the order of a device's life as far as there is
// one.
func Places() []Place {
	return append([]Place{AtBoot, AtConnect, AtPoll, AtReport, AtHealth}, statusPlaces()...)
}

// statusPlaces are the statuses that a device enters: all but the platform's
// initial value.
func statusPlaces() []Place {
	var places []Place
	for _, row := range ota.Statuses() {
		if row.Status != ota.PlanNotReceived {
			places = append(places, At(row.Status))
		}
	}
	return places
}

// Status is the component status that the place is; false for the others.
func (p Place) Status() (ota.Status, bool) { return ota.ParseStatus(string(p)) }

// hasExtent reports whether a share of the place can be given: its bytes are
// counted, or its time is drawn beforehand.
func (p Place) hasExtent() bool { return p == At(ota.Downloading) || p == At(ota.Upgrading) }

// OfPlatform reports whether the fault is one of the answers of a platform that is
// polled.
func (f *Fault) OfPlatform() bool {
	return f.Kind == TokenExpired || f.Kind == HTTPStatus && (f.At == AtPoll || f.At == AtReport)
}

// countsBytes reports whether a fault's moment is given in bytes alone: of what
// the storage answers, and of what is written of it, nothing has a length in
// time that is known beforehand.
func (k Kind) countsBytes(at Place) bool {
	switch k {
	case Stall, Truncate, Corrupt, URLExpired:
		return true
	}
	return (k == WriteError || k == HTTPStatus) && at == At(ota.Downloading)
}

// Reasons lists the reasons of a refusal that a device's sensors can give.
func Reasons() []ota.Reason {
	return []ota.Reason{ota.ReasonBattery, ota.ReasonSignal, ota.ReasonSpace, ota.ReasonBusy}
}

// Fault is something that goes wrong on some devices. Either Chance or Exactly
// is more than 0.
type Fault struct {
	Name      string
	Fleet     string // empty for all
	Component string // empty for any
	At        Place
	Kind      Kind
	Chance    Percent              // the probability with which each device has it
	Exactly   Percent              // the share of the devices that have it, chosen by the seed
	Times     Range[int]           // how often it strikes a device that has it, at least once; once what lasts for good
	After     After                // when within the step
	For       Range[time.Duration] // how long it, or the cause of a refusal, lasts; 0 for as short as can be
	By        Range[time.Duration] // of latency: how much more, above 0; of clock_skew: forward, or backward if negative
	Rate      int64                // of slow: bytes a second, at least 1
	Status    int                  // of http_status: 400 to 599
	// of http_status at poll and report: how long the answer asks to wait, in whole seconds; 0 for nothing
	RetryAfter time.Duration
	Reason     ota.Reason // of refuse
}

// MaxSkew bounds by how much a clock can be wrong, both ways: a hundred years,
// so that a device may believe that it is 1970.
const MaxSkew = 876_000 * time.Hour

// onLine reports whether the fault is about the line between a device and
// everything else, which a device behind a gateway does not have.
func (f *Fault) onLine() bool {
	switch f.Kind {
	case Drop, Reset, HalfOpen, Latency, Slow, NeverOnline, SessionTaken:
		return true
	}
	return f.At == AtConnect
}

// Covers reports whether devices of the fleet can have the fault.
func (f *Fault) Covers(fleet *Fleet) bool {
	return (f.Fleet == "" || f.Fleet == fleet.Name) && (f.Component == "" || fleet.Component(f.Component) != nil) &&
		(fleet.Behind == "" || !f.onLine())
}

// Reach is the number of devices that can have the fault: what Exactly is a
// share of.
func (s *Scenario) Reach(f *Fault) int {
	n := 0
	for i := range s.Fleets {
		if f.Covers(&s.Fleets[i]) {
			n += s.Fleets[i].Count
		}
	}
	return n
}
