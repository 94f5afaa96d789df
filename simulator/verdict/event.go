package verdict

import (
	"time"

	"otafleet/internal/ota"
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
	Text      string // as the Kind says; of a report, the code of its failure
	Detail    string // of a failure, as the device numbered it; at most 200 bytes
}

// keptDetail is how much of a failure's detail an event keeps, in bytes.
const keptDetail = 200

// ReportEvent is the event of a report, numbered by a device or stored by the
// platform. Both ends make it the same way, so that contents can be compared.
func ReportEvent(at time.Duration, kind Kind, device string, r *ota.Report) Event {
	e := Event{At: at, Kind: kind, Device: device, Plan: r.Plan, Component: r.Component, Status: r.Status, Seq: r.Seq,
		N: int64(contentHash(r))}
	if r.Failure != nil {
		e.Text = string(r.Failure.Code)
		if kind == Numbered {
			e.Detail = ota.Clip(r.Failure.Detail, keptDetail)
		}
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
		mix(ota.Clip(r.Failure.Detail, ota.MaxDetail)) // as it is on its way
	}
	return h
}
