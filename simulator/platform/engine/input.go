package engine

import (
	"time"

	"otafleet/internal/ota"
)

// Input is something that happened outside: a Message or a Tick.
type Input interface{ input() }

// Message is what a device sent. The engine keeps parts of it, so it must not
// be changed afterwards.
type Message struct {
	Device  ota.Identity
	Message ota.Up
}

// Tick says that the time of NextTick has come. One that comes early or twice
// does nothing.
type Tick struct{}

func (Message) input() {}
func (Tick) input()    {}

// Command is what an operator, or a device's user, orders.
type Command interface{ command() }

// AddPackage makes a package available to plans. Refused if the manifest is
// not one that a plan can name, or if there is already a package for the same
// product, component, kind, source and target.
type AddPackage struct {
	Manifest  ota.Manifest
	Reference string // by which the shell finds envelope and objects; opaque here, and unique
	Name      string // 1 to 100 characters, unique; empty means the reference
	Remarks   string // at most 200 characters
}

// DeletePackage forgets a package. Refused while a plan that is not over, or a
// verification, needs it.
type DeletePackage struct{ Package string } // by its id

// VerifyPackage tries a package on one device, which must be online, idle and
// running a version that the package fits; it has 60 minutes. Refused once the
// package is verified, and while it is being verified.
type VerifyPackage struct {
	Package string // by its id
	Device  string // key of a device of the package's product
}

// CreatePlan stores a plan, Inactivated. Refused with every problem of its
// fields, and if a component has no package. The plan's lists are kept, and must
// not be changed afterwards.
type CreatePlan struct{ Plan PlanSpec }

// EditPlan gives an Inactivated plan other fields. Its id says which one; its
// product must be the same. Refused like CreatePlan, and once it is active.
type EditPlan struct{ Plan PlanSpec }

// Activate puts an Inactivated plan into effect and pushes it at once to the
// online devices that may have it. Refused after the plan's end.
type Activate struct{ Plan string }

// Suspend holds a plan back from the devices that have not confirmed. Allowed
// while it is To be Upgraded or Upgrading.
type Suspend struct{ Plan string }

// Resume puts a Suspended plan into effect again, from the next grid time on.
type Resume struct{ Plan string }

// Terminate ends a plan for the devices that have not confirmed, for good.
// Allowed while it is To be Upgraded or Upgrading.
type Terminate struct{ Plan string }

// Abandon ends one device's part of a plan that is or was active, for good unless
// the device is retried: it is Upgrade Failed, and told so. Refused if its part is
// over.
type Abandon struct{ Plan, Device string }

// DeletePlan forgets a plan. Allowed while it is Inactivated.
type DeletePlan struct{ Plan string }

// Retire lets a plan that is over be forgotten, with what is known of its devices: at
// once, or as soon as the last of them is at its end. A report that comes afterwards
// is acknowledged as one of an unknown plan. Refused while the plan is not over.
type Retire struct{ Plan string }

// RetryDevices gives failed devices of a silent plan another try, with a new
// plan message and a fresh budget of automatic retries. The plan must be in
// effect, and a device Upgrade Failed, or Upgraded and running another version, not at work for another plan, and
// running versions that the plan still fits. The devices that break a rule are
// named in the error; the others are retried all the same.
type RetryDevices struct {
	Plan    string
	Devices []string // device keys; none means every failed device of the plan
}

// UserOperation is what a device's user says to a manual plan.
type UserOperation string

// The four operations.
const (
	UserConfirm UserOperation = "confirm" // upgrade now
	UserAppoint UserOperation = "appoint" // upgrade between Start and End
	UserCancel  UserOperation = "cancel"  // this plan has failed for this device
	UserRetry   UserOperation = "retry"   // try again after a failure
)

// UserAnswer is the user's answer to a manual plan that is in effect and fits
// the device. Refused once the device has confirmed, but for a retry, which
// obeys the rules of RetryDevices.
type UserAnswer struct {
	Device    ota.Identity
	Plan      string
	Operation UserOperation
	// Start and End bound an appointment: at least an hour, within the plan's
	// period. It is looked at on the ten-minute grid.
	Start, End time.Time
}

// AutoConfirm turns a device's switch by which manual plans reach it without
// asking its user, inside the plan's push window. Refused for an unknown
// device.
type AutoConfirm struct {
	Device ota.Identity
	On     bool
}

func (AddPackage) command()    {}
func (DeletePackage) command() {}
func (VerifyPackage) command() {}
func (CreatePlan) command()    {}
func (EditPlan) command()      {}
func (Activate) command()      {}
func (Suspend) command()       {}
func (Resume) command()        {}
func (Terminate) command()     {}
func (Abandon) command()       {}
func (DeletePlan) command()    {}
func (Retire) command()        {}
func (RetryDevices) command()  {}
func (UserAnswer) command()    {}
func (AutoConfirm) command()   {}
