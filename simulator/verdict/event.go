package verdict

import (
	"time"

	"otafleet/internal/ota"
)

// Kind says what an Event is.
type Kind uint8

// The kinds. The first group is seen at the device, the second at the platform.
const (
	Arrived      Kind = iota // the device was switched on for the first time; Text is its fleet
	Connected                // a session was opened
	Disconnected             // a session was lost
	PowerCut                 // the power was cut; Text is the fault
	Numbered                 // a report was made durable at the device
	Downloaded               // N verified bytes were put in place
	FaultFired               // fault Text fired
	Violation                // something happened that never may; Text says what

	Stored      // a report was stored by the platform
	Answered    // the device's decision: N is 1 for yes, Text the reason of a refusal
	StatusIs    // the device's status under a plan is N now (an ota.DeviceStatus)
	Illegal     // a report broke the status table
	OutOfOrder  // a report arrived after one with a higher number
	Duplicate   // a report arrived again
	Conflicting // a report arrived again with another content
)

// Event is one fact of a run.
type Event struct {
	At        time.Duration // since the start of the run
	Kind      Kind
	Device    string
	Plan      string
	Component string
	Status    ota.Status
	Seq       int
	N         int64
	Text      string
}

// ReportEvent is the event of a report, numbered by a device or stored by the
// platform. Both ends make it the same way, so that contents can be compared.
func ReportEvent(at time.Duration, kind Kind, device string, r *ota.Report) Event {
	e := Event{At: at, Kind: kind, Device: device, Plan: r.Plan, Component: r.Component, Status: r.Status, Seq: r.Seq,
		N: int64(contentHash(r))}
	if r.Failure != nil {
		e.Text = string(r.Failure.Code)
	}
	return e
}

// AnswerEvent is the event of a device's decision on a plan.
func AnswerEvent(device string, answer *ota.Decision) Event {
	e := Event{Kind: Answered, Device: device, Plan: answer.Plan, Text: string(answer.Reason)}
	if answer.Accept {
		e.N = 1
	}
	return e
}

// hashedDetail is how much of a failure's detail counts, in bytes: longer ones
// are cut on their way.
const hashedDetail = 1024

// contentHash sums up what a report says, so that a history need not hold it.
func contentHash(r *ota.Report) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	mix := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	number := func(n int64) {
		for range 8 {
			h = (h ^ uint64(byte(n))) * prime
			n >>= 8
		}
	}
	mix(r.Component)
	mix(r.Version)
	number(int64(r.Status))
	number(int64(r.Attempt))
	number(int64(r.Seq))
	number(r.Time.UnixMilli())
	if r.Failure != nil {
		mix(string(r.Failure.Code))
		mix(r.Failure.Detail[:min(len(r.Failure.Detail), hashedDetail)])
	}
	return h
}
