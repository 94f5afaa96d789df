package ota

import "time"

// Up is a message from a device to the platform: *Inventory, *Decision,
// *Report, *Progress, *AddressRequest or *Offline.
type Up interface{ up() }

// Down is a message from the platform to a device: *Plan, *Package, *Ack,
// *NoPlan or *Termination.
type Down interface{ down() }

func (*Inventory) up()      {}
func (*Decision) up()       {}
func (*Report) up()         {}
func (*Progress) up()       {}
func (*AddressRequest) up() {}
func (*Offline) up()        {}

func (*Plan) down()        {}
func (*Package) down()     {}
func (*Ack) down()         {}
func (*NoPlan) down()      {}
func (*Termination) down() {}

// Inventory is a device's version report, and its request for a plan.
type Inventory struct {
	Time       time.Time
	Agent      string // name and version of the agent
	Request    bool   // whether the platform should answer with a plan or NoPlan
	Components []ComponentVersion
	Battery    *int   // percent; nil without a battery
	RSSI       *int   // dBm; nil without a radio
	FreeBytes  *int64 // nil if unknown
	Running    *Running
	Via        string // the gateway that speaks for the device, if one does
	Trouble    string // why the device can do nothing at the moment; empty if all is well
}

// ComponentVersion is what one component runs.
type ComponentVersion struct {
	ID      string
	Type    ComponentType
	Version string
}

// Running names the plan in progress and how far its reports have come.
type Running struct {
	Plan    string
	Attempt int
	Seq     int // the last number used
}

// Reason says why a device refuses a plan.
type Reason string

// The refusals.
const (
	ReasonBattery      Reason = "battery_low"
	ReasonSignal       Reason = "signal_weak"
	ReasonSpace        Reason = "space_low"
	ReasonBusy         Reason = "busy"
	ReasonWindow       Reason = "outside_window"
	ReasonDeclined     Reason = "declined"
	ReasonExpired      Reason = "expired"
	ReasonIncompatible Reason = "incompatible"
	ReasonInvalidPlan  Reason = "invalid_plan"
)

// Valid reports whether r is one of the protocol's refusals.
func (r Reason) Valid() bool {
	switch r {
	case ReasonBattery, ReasonSignal, ReasonSpace, ReasonBusy, ReasonWindow,
		ReasonDeclined, ReasonExpired, ReasonIncompatible, ReasonInvalidPlan:
		return true
	}
	return false
}

// Decision confirms or refuses a plan.
type Decision struct {
	Time    time.Time
	Plan    string
	Attempt int
	Accept  bool
	Reason  Reason // of a refusal
	Detail  string
	RetryAt time.Time // when the device expects to agree; a hint, zero if unknown
}

// Report is one durable step of one component. Once numbered it never changes.
type Report struct {
	Time      time.Time
	Plan      string
	Attempt   int
	Seq       int // 1, 2, 3 … per device and plan, over all attempts and restarts
	Component string
	Status    Status
	Version   string   // what the component runs now
	Failure   *Failure // on a failed status only
}

// Phase says what a Progress counts.
type Phase string

// The two phases.
const (
	PhaseDownloading Phase = "downloading"
	PhaseUpgrading   Phase = "upgrading"
)

// Progress is a lossy notice of how far a step has come.
type Progress struct {
	Time      time.Time
	Plan      string
	Component string
	Phase     Phase
	Done      int64 // bytes
	Total     int64 // bytes
}

// AddressReason says why a device asks for a package address.
type AddressReason string

// The four reasons.
const (
	AddressExpired AddressReason = "url_expired"
	AddressMirrors AddressReason = "mirrors_failed"
	AddressMissing AddressReason = "missing"
	AddressFull    AddressReason = "delta_unusable" // the delta does not fit what runs: the full package is wanted
)

// Valid reports whether r is one of the four reasons.
func (r AddressReason) Valid() bool {
	return r == AddressExpired || r == AddressMirrors || r == AddressMissing || r == AddressFull
}

// AddressRequest asks the platform for a package address (wire kind "fetch").
type AddressRequest struct {
	Time      time.Time
	Plan      string
	Attempt   int
	Component string
	Reason    AddressReason
}

// Offline says that the device is gone; the broker sends it as the will.
type Offline struct{}

// Ack says that every report up to Seq is stored.
type Ack struct {
	Plan string
	Seq  int
}

// NoPlanReason says why there is no plan for a device.
type NoPlanReason string

// The reasons.
const (
	NoPlanUpToDate     NoPlanReason = "up_to_date"
	NoPlanNone         NoPlanReason = "no_plan"
	NoPlanNotListed    NoPlanReason = "not_listed"
	NoPlanSuspended    NoPlanReason = "suspended"
	NoPlanOutsideHours NoPlanReason = "outside_push_period"
	NoPlanAwaitingUser NoPlanReason = "awaiting_user"
	NoPlanEnded        NoPlanReason = "ended"
)

// Valid reports whether r is one of the protocol's reasons.
func (r NoPlanReason) Valid() bool {
	switch r {
	case NoPlanUpToDate, NoPlanNone, NoPlanNotListed, NoPlanSuspended,
		NoPlanOutsideHours, NoPlanAwaitingUser, NoPlanEnded:
		return true
	}
	return false
}

// NoPlan answers an inventory's request (wire kind "none").
type NoPlan struct {
	Time   time.Time
	Reason NoPlanReason
}

// TerminationReason says how a plan came to its end.
type TerminationReason string

// The two ways.
const (
	Terminated TerminationReason = "terminated"
	Ended      TerminationReason = "ended"
)

// Termination says that the platform has terminated or ended a plan (wire kind
// "terminate"). It stops only a device that has not confirmed.
type Termination struct {
	Time   time.Time
	Plan   string
	Reason TerminationReason
}

// Code is what an unconfirmed component reports when the plan ends this way.
func (t *Termination) Code() Code {
	if t.Reason == Ended {
		return PlanExpired
	}
	return PlanTerminated
}
