// Package engine is the plan engine of the fake platform: it decides which
// device gets which plan and when, issues package addresses, keeps the ledger
// of reports, retries what failed, and counts. It is a functional core: inputs
// and the time go in, outputs come out; it starts no goroutine, reads no clock,
// draws no random number and touches no file or socket. The shell around it
// moves messages, signs addresses and calls Handle with a Tick at NextTick.
//
// One flow through it: the operator adds packages, creates a plan and activates
// it (Command); a device's inventory asks and is answered with the plan, or the
// ten-minute grid pushes it; the device's decision confirms, and from then on
// nothing but success or failure ends its part; an Issue tells the shell to
// send the address of the first unfinished component; each report goes through
// the ledger in the order of its number, and a success or a failure decides the
// next Issue.
//
// Where the platform's documentation is silent or disagrees with itself, these
// are the choices:
//
//   - A push window holds for requests, too: outside it a request for a pushed
//     plan gets "outside_push_period", since every device asks on connecting. A
//     plan that is not pushed has no window. Before a plan's start the reason is
//     the same.
//   - A rejection period holds pushes back, never the answer to a request.
//   - A device that never received a plan is Upgrade Failed when the plan is
//     terminated and when its time is up. One that has the plan and has not
//     confirmed gets a message, and fails when it reports so. The log says which.
//   - The operator can end the plan for one device, also after its confirmation:
//     what a device that was removed for good will never report.
//   - A manual plan that its user has accepted is delivered when the device
//     is, or comes, online; a refusal by the device waits for the grid.
//   - A version equal to the target counts as success unless the same inventory
//     says that the plan is still running: then its report will follow, and
//     until it does the new version is on trial.
//   - A device at work on one plan that asks for another gets "no_plan".
//   - A device that forgets a plan that it has confirmed gets it again; when its
//     reports then start over from 1, so does its ledger.
//   - Devices are listed by their keys, digits by their value.
//   - A device is known from its first message, or from the first activated
//     plan whose white list names it.
//   - Sub-devices, which another device speaks for, get module firmware only.
//
// It remembers a bounded number of devices, and answers others that there is no plan
// for them. It writes nothing itself: Changes gives what a call has changed, for a
// store to keep, and Restore makes an engine of it again.
//
// It does not charge quota, or limit how many devices upgrade at a time.
package engine
