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
	h := fnv(14695981039346656037)
	h.text(r.Component)
	h.text(r.Version)
	h.number(uint64(r.Status))
	h.number(uint64(r.Attempt))
	h.number(uint64(r.Seq))
	h.number(uint64(r.Time.UnixMilli()))
	if r.Failure != nil {
		h.text(string(r.Failure.Code))
		h.text(ota.Clip(r.Failure.Detail, ota.MaxDetail)) // as it is on its way
	}
	return uint64(h)
}

// fnv is a 64-bit FNV-1a hash.
type fnv uint64

const prime fnv = 1099511628211

// powers are those of the prime: what so many bytes of 0 make of a hash.
var powers = [...]fnv{
	1, 1099511628211, 956575116354345, 624165263380053675, 11527715348014283921,
	913917546033277539, 15895002104753931833, 14218562807570617051, 2232315406967589409,
}

func (h *fnv) text(s string) {
	for i := range len(s) {
		*h = (*h ^ fnv(s[i])) * prime
	}
	*h = (*h ^ 0xff) * prime // ends the text
}

// number takes the eight bytes of a number, the lowest first. Most end in many of 0.
func (h *fnv) number(n uint64) {
	left := 8
	for ; n != 0; left-- {
		*h = (*h ^ fnv(n&0xff)) * prime
		n >>= 8
	}
	*h *= powers[left]
}
