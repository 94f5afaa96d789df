package agent

import (
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Input is something that happened to the device.
type Input interface{ input() }

// Booted is the first input of every Machine: the agent has started.
type Booted struct {
	BootID     string // changes with every restart of the system
	Components []Found
	Readings   Readings
}

// Found is what the start found of one component.
type Found struct {
	ID      string
	Version string       // empty if the component did not answer
	Package *ota.Package // the address kept for the upgrade in progress; nil if none
}

// Readings are the conditions as last measured. A nil pointer means that the
// device has no such sensor, and that conditions on it hold.
type Readings struct {
	Battery   *int   // percent
	RSSI      *int   // dBm
	FreeBytes *int64 // the most that one package can take
	Busy      bool   // the device asks not to be disturbed
}

// Measured reports new readings.
type Measured struct{ Readings Readings }

// Inspected says what a component runs that was silent before.
type Inspected struct {
	Component string
	Version   string
}

// Connected says that the session with the platform is up and subscribed.
type Connected struct{}

// Disconnected says that the session with the platform is down.
type Disconnected struct{}

// Received is a message from the platform.
type Received struct{ Message ota.Down }

// BadPlan is a plan message that could be attributed and not accepted.
type BadPlan struct {
	Plan    string
	Attempt int
	Detail  string
}

// BadPackage is a package message that could be attributed and not accepted.
type BadPackage struct {
	Plan      string
	Attempt   int
	Component string
	Detail    string
}

// CheckRequested asks the platform for a plan now.
type CheckRequested struct{}

// Decided is the answer of the operator (or of the confirm command) to a plan
// that waits for one.
type Decided struct {
	Accept bool
	Detail string
	// Plan and Attempt are what was asked about: the answer counts for nothing
	// else. Targets are the versions, in the plan's order.
	Plan    string
	Attempt int
	Targets []string
}

// Tick says that the time of the last SetTimer has come.
type Tick struct{}

// Results of effects carry the Op of the output that started them; the result
// of an effect that was cancelled is ignored.

// FetchStarted says that the first byte has been asked for.
type FetchStarted struct{ Op Op }

// FetchProgressed says how many verified bytes are in place.
type FetchProgressed struct {
	Op          Op
	Done, Total int64
}

// Fetched ends a Fetch. Need is set when other addresses could help; Failure
// when nothing can; neither on success.
type Fetched struct {
	Op       Op
	Need     ota.AddressReason
	Failure  *ota.Failure
	Gained   bool       // a new verified chunk came
	Found    ota.Digest // FetchResult.Found
	Setbacks Setbacks
}

// Staged ends a Stage.
type Staged struct {
	Op      Op
	Failure *ota.Failure
}

// Activated ends an Activate.
type Activated struct {
	Op      Op
	Restart firmware.Restart
	Failure *ota.Failure
}

// HealthChecked ends a CheckHealth.
type HealthChecked struct {
	Op      Op
	Version string // what the component runs
	Failure *ota.Failure
}

// Confirmed ends a Confirm.
type Confirmed struct {
	Op      Op
	Failure *ota.Failure
}

// RevertDone ends a Revert.
type RevertDone struct {
	Op      Op
	Restart firmware.Restart
	Version string // what the component runs now; empty if it did not answer
	Failure *ota.Failure
}

// RestartMissed ends a Restart that did not come.
type RestartMissed struct {
	Op     Op
	Detail string
}

func (RestartMissed) input()   {}
func (Booted) input()          {}
func (Measured) input()        {}
func (Inspected) input()       {}
func (Connected) input()       {}
func (Disconnected) input()    {}
func (Received) input()        {}
func (BadPlan) input()         {}
func (BadPackage) input()      {}
func (CheckRequested) input()  {}
func (Decided) input()         {}
func (Tick) input()            {}
func (FetchStarted) input()    {}
func (FetchProgressed) input() {}
func (Fetched) input()         {}
func (Staged) input()          {}
func (Activated) input()       {}
func (HealthChecked) input()   {}
func (Confirmed) input()       {}
func (RevertDone) input()      {}

// Op numbers the effects of one Machine, from 1.
type Op int

// Output is something for the Runner to do. A Machine's outputs are executed in
// order.
type Output interface{ output() }

// Save makes the state durable before the next output starts. There is at most
// one in a list, and it stands first.
type Save struct{ State *State }

// Send hands a message to the link. It may be lost; what must arrive is sent
// again by the Machine.
type Send struct{ Message ota.Up }

// SetTimer asks for a Tick at a time, instead of the one asked for before; the
// zero time asks for none.
type SetTimer struct{ At time.Time }

// Ask tells the operator (or the confirm command) that a plan waits for an
// answer.
type Ask struct{ Plan *ota.Plan }

// Cancel stops the running effect Op. Its result does not matter any more.
type Cancel struct{ Op Op }

// Fetch downloads every file of a package into its inactive place.
type Fetch struct {
	Op       Op
	Job      firmware.Job
	Package  *ota.Package
	Setbacks Setbacks
	Local    string // the package file that holds the bytes; empty for those of the addresses
}

// Stage makes the downloaded files ready to run.
type Stage struct {
	Op  Op
	Job firmware.Job
}

// Activate makes the staged version the one that runs next.
type Activate struct {
	Op  Op
	Job firmware.Job
}

// Restart restarts the agent or the system. No effect begins after it: the next
// one is the new Machine's, after Booted, unless the restart does not come.
type Restart struct {
	Op    Op
	Scope firmware.Restart
}

// CheckHealth inspects the component and runs the health checks.
type CheckHealth struct {
	Op  Op
	Job firmware.Job
}

// Confirm makes the running version permanent.
type Confirm struct {
	Op  Op
	Job firmware.Job
}

// Revert rolls back to the version that ran before.
type Revert struct {
	Op  Op
	Job firmware.Job
}

// Broken says that the machine has found a mistake of its own, and has ended what
// it was about. It is for the log: nothing can be done about it.
type Broken struct{ Err error }

// Forget drops what is kept of a component's package, after its last step.
type Forget struct{ Component string }

func (Save) output()        {}
func (Send) output()        {}
func (SetTimer) output()    {}
func (Ask) output()         {}
func (Cancel) output()      {}
func (Fetch) output()       {}
func (Stage) output()       {}
func (Activate) output()    {}
func (Restart) output()     {}
func (CheckHealth) output() {}
func (Confirm) output()     {}
func (Revert) output()      {}
func (Forget) output()      {}
func (Broken) output()      {}
