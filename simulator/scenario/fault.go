package scenario

import (
	"slices"
	"time"

	"otafleet/internal/ota"
)

// Kind is what a fault does.
type Kind string

// The kinds of this version. Kinds says what each does and where.
const (
	Drop         Kind = "drop"
	Corrupt      Kind = "corrupt"
	URLExpired   Kind = "url_expired"
	HTTPStatus   Kind = "http_status"
	PowerCut     Kind = "power_cut"
	Unhealthy    Kind = "unhealthy"
	Refuse       Kind = "refuse"
	BadSignature Kind = "bad_signature"
)

// Place is where in its life a fault strikes a device: a component status, or
// one of the places beside them.
type Place string

// The places beside the component statuses.
const (
	AtConnect Place = "connect" // the session with the platform is up
	AtReport  Place = "report"  // a report is being sent
	AtBoot    Place = "boot"    // the device starts
	AtHealth  Place = "health"  // the new version is being judged
)

// At is the place where a component enters a status.
func At(s ota.Status) Place { return Place(s.String()) }

// Status is the component status that the place is; false for the others.
func (p Place) Status() (ota.Status, bool) { return ota.ParseStatus(string(p)) }

// hasExtent reports whether a share of the place can be told: its bytes are
// counted, or its time is drawn beforehand.
func (p Place) hasExtent() bool { return p == At(ota.Downloading) || p == At(ota.Upgrading) }

// The parameters that only some kinds have.
const (
	ParamComponent = "component" // the component it is about; without it, any
	ParamAfter     = "after"     // when within the step
	ParamFor       = "for"       // how long it lasts
	ParamStatus    = "status"    // the HTTP status
	ParamReason    = "reason"    // the reason of a refusal
)

// KindRow is one line of the table of faults.
type KindRow struct {
	Kind     Kind
	Sentence string   // what happens to the device
	Places   []Place  // where it can strike
	Params   []string // what can be said of it besides its name, fleet, place, draw and times
}

// Kinds returns the table of faults: what the language accepts, and what package
// fault must do.
func Kinds() []KindRow {
	statuses := statusPlaces()
	download := []Place{At(ota.Downloading)}
	return []KindRow{
		{Drop, "the device's connections are cut, and stay so for a time",
			append([]Place{AtConnect, AtReport}, statuses...), []string{ParamComponent, ParamAfter, ParamFor}},
		{Corrupt, "the storage sends bytes that are not the package's",
			download, []string{ParamComponent, ParamAfter}},
		{URLExpired, "the storage answers that the address has expired",
			[]Place{At(ota.ReadyToDownload), At(ota.Downloading)}, []string{ParamComponent, ParamAfter}},
		{HTTPStatus, "the storage answers with an HTTP status of failure",
			download, []string{ParamComponent, ParamAfter, ParamStatus}},
		{PowerCut, "the device loses its power without warning, and starts again after a time",
			append([]Place{AtBoot}, statuses...), []string{ParamComponent, ParamAfter, ParamFor}},
		{Unhealthy, "the new version does not pass its health check",
			[]Place{AtHealth}, []string{ParamComponent}},
		{Refuse, "the device finds a reason to refuse the plan, which passes after a time",
			[]Place{At(ota.PlanReceived)}, []string{ParamFor, ParamReason}},
		{BadSignature, "the manifest is signed with a signature that does not verify",
			[]Place{At(ota.UpgradeConfirmed)}, []string{ParamComponent}},
	}
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

// Row is the kind's line of the table; false for an unknown kind.
func (k Kind) Row() (KindRow, bool) {
	for _, row := range Kinds() {
		if row.Kind == k {
			return row, true
		}
	}
	return KindRow{}, false
}

// onAnswers reports whether the kind is about what the storage answers, of which
// only bytes can be counted.
func (k Kind) onAnswers() bool { return k == Corrupt || k == URLExpired || k == HTTPStatus }

// Reasons lists the reasons of a refusal that a device's sensors can give.
func Reasons() []ota.Reason {
	return []ota.Reason{ota.ReasonBattery, ota.ReasonSignal, ota.ReasonSpace, ota.ReasonBusy}
}

// Takes reports whether the kind has a parameter.
func (r KindRow) Takes(param string) bool { return slices.Contains(r.Params, param) }

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
	Times     Range[int]           // how often it strikes a device that has it, at least once
	After     After                // when within the step
	For       Range[time.Duration] // how long it, or the cause of a refusal, lasts; 0 for as short as can be
	Status    int                  // of http_status
	Reason    ota.Reason           // of refuse
}

// Covers reports whether devices of the fleet can have the fault.
func (f *Fault) Covers(fleet *Fleet) bool {
	return (f.Fleet == "" || f.Fleet == fleet.Name) && (f.Component == "" || fleet.Component(f.Component) != nil)
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
