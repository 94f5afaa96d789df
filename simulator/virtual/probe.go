package virtual

import (
	"time"

	"otafleet/agent"
)

// Brain decides for a device: an *agent.Machine, or one that a test has spoilt.
type Brain interface {
	Handle(now time.Time, in agent.Input) []agent.Output
}

// Probe looks at every output of every machine before it is executed, and says
// what goes wrong with it.
type Probe interface {
	// Output gets when it is, the device, how many outputs of its machine were
	// executed before, over all its boots, and what comes now.
	Output(at time.Duration, device string, number int, out agent.Output) Trouble
}

// Trouble is what goes wrong at an output.
type Trouble uint8

// The troubles.
const (
	NoTrouble   Trouble = iota
	PowerBefore         // the power fails just before the output is executed
	PowerAfter          // the power fails just after it
	CrashBefore         // the agent ends just before it
	CrashAfter          // the agent ends just after it
	DropBefore          // the connections break just before it
	DropAfter           // the connections break just after it
	FailWrite           // what it writes cannot be written, once
)

// outage is how long a device stays without power, or its agent away.
const outage = time.Second

// before does what comes before the output, and reports whether the output is
// executed at all.
func (t Trouble) before(d *device) bool {
	switch t {
	case PowerBefore:
		d.CutPower("probe", outage)
		return false
	case CrashBefore:
		d.Crash("probe", outage)
		return false
	case DropBefore:
		d.CutLink(0)
	}
	return d.alive()
}

// after does what comes after it.
func (t Trouble) after(d *device) {
	switch t {
	case PowerAfter:
		d.CutPower("probe", outage)
	case CrashAfter:
		d.Crash("probe", outage)
	case DropAfter:
		d.CutLink(0)
	}
}

// String names the trouble as the command line does.
func (t Trouble) String() string {
	return [...]string{"none", "power-before", "power-after", "crash-before", "crash-after", "drop-before", "drop-after",
		"fail-write"}[t]
}
