package engine

import "otafleet/internal/ota"

// Output is something for the shell to do (Send, Issue) or to note in a
// history (Recorded, Decided, Changed, PlanChanged). A fact's time is the time
// of the call that returned it.
type Output interface{ output() }

// Send hands a message to a device. It may be lost: what must arrive is sent
// again when the device is heard of again. The message is shared between
// devices and calls; it must not be changed.
type Send struct {
	Device  ota.Identity
	Message ota.Down
}

// IssueReason says why a package address is sent.
type IssueReason string

// The reasons.
const (
	IssueNext      IssueReason = "next"      // it is the component's turn
	IssueRetry     IssueReason = "retry"     // it failed and has attempts left
	IssueAsked     IssueReason = "asked"     // the device asked for the address
	IssueReconnect IssueReason = "reconnect" // the device is back and waits for it
)

// Issue asks the shell to build and send the package message of one component,
// with fresh signed addresses.
type Issue struct {
	Device    ota.Identity
	Plan      string
	Attempt   int
	Component string
	Package   string // the reference given with AddPackage
	Reason    IssueReason
}

// Arrival says what the ledger made of a report.
type Arrival uint8

// The arrivals. An Early report is recorded again when the gap before it has
// filled, as Stored or Illegal.
const (
	Stored      Arrival = iota // applied, in its turn
	Early                      // kept until the reports before it have come
	Duplicate                  // known, with the same content
	Conflicting                // its number is known with another content; it replaces nothing
	Illegal                    // the status table forbids it here; acknowledged, not applied
	Unknown                    // no such plan for this device; acknowledged, not kept
	Dropped                    // too far ahead to keep, or with an invalid number; not acknowledged
	arrivals
)

var arrivalNames = [arrivals]string{"stored", "early", "duplicate", "conflicting", "illegal", "unknown", "dropped"}

// String returns the name in machine-readable output.
func (a Arrival) String() string {
	if a >= arrivals {
		return "arrival(?)"
	}
	return arrivalNames[a]
}

// Appeared is the fact that a device was heard of for the first time.
type Appeared struct {
	Device     ota.Identity
	Via        string                 // the gateway that speaks for it; empty for none
	Components []ota.ComponentVersion // what it runs, if it said so; not to be changed
}

// TurnedAway is the fact that new devices were not taken in, since the engine
// remembers as many as it may. It is returned at most once a minute.
type TurnedAway struct {
	Device     ota.Identity // the last one
	Messages   int          // since the last such fact
	MaxDevices int
}

// Recorded is the fact that a report came and what became of it.
type Recorded struct {
	Device  ota.Identity
	Report  *ota.Report
	Arrival Arrival
	Cause   error // of Illegal: the rule that the report breaks
}

// Decided is the fact that a device answered a plan, whether or not the answer
// changed anything.
type Decided struct {
	Device   ota.Identity
	Decision *ota.Decision
}

// Changed is the fact that a device's status under a plan changed.
type Changed struct {
	Device   ota.Identity
	Plan     string
	From, To ota.DeviceStatus
}

// PlanChanged is the fact that a plan's status changed.
type PlanChanged struct {
	Plan   string
	Status PlanStatus
}

func (Send) output()        {}
func (Issue) output()       {}
func (Appeared) output()    {}
func (TurnedAway) output()  {}
func (Recorded) output()    {}
func (Decided) output()     {}
func (Changed) output()     {}
func (PlanChanged) output() {}
