package fault

import (
	"cmp"
	"slices"
	"time"
)

// Exchange is one request of a download to the storage, and what will come of
// it. Faults change it before it happens, and each world then carries it out:
// the real one on a real answer, the virtual one in virtual time. So a fault of
// the storage is written once.
type Exchange struct {
	Component string // whose package is asked for
	Length    int64  // bytes asked for

	// What is wrong with the answer as a whole; the zero values mean nothing.
	Status      int   // it is this HTTP status, and no object
	Shift       int64 // it begins so many bytes too late, and says so
	OtherObject bool  // its bytes are those of another object
	Changed     bool  // its entity tag is another one than before

	// Moments are what happens within the answer, in no order. Those of an answer
	// that never comes are refunded.
	Moments []Moment
}

// Moment is what happens at one byte of an answer's body.
type Moment struct {
	At   int64 // bytes of the body that come before; AtHead for the answer as a whole
	Turn Turn
	For  time.Duration // how long a Stall lasts
	// Fire is called when the byte is reached, at most once, and before the turn
	// takes effect; Refund instead of it if the body is left before. Either may be
	// nil.
	Fire, Refund func()
}

// AtHead is the moment at which the head of an answer has come, with whatever is
// wrong with the answer as a whole. Its turn is Passes.
const AtHead = -1

// Turn is what becomes of an answer at a Moment.
type Turn uint8

// The turns.
const (
	Breaks Turn = iota // the connection breaks off
	Flips              // the byte has one wrong bit
	Ends               // the body ends, in good order and too early
	Stalls             // nothing comes for a time
	Passes             // the answer goes on: what happens, happens elsewhere
)

// Reach calls Fire.
func (m *Moment) Reach() { once(&m.Fire, &m.Refund) }

// Leave calls Refund.
func (m *Moment) Leave() { once(&m.Refund, &m.Fire) }

// once calls one of the two functions, if neither has been called.
func once(call, other *func()) {
	do := *call
	*call, *other = nil, nil
	if do != nil {
		do()
	}
}

// Answer is called when the head of a good answer has come. It returns the
// moments of the body in their order. Where a body breaks off, no byte is left
// to be wrong.
func (x *Exchange) Answer() []Moment {
	late := func(m Moment) int {
		if m.Turn == Flips {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(x.Moments, func(a, b Moment) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(late(a), late(b)))
	})
	body := 0
	for body < len(x.Moments) && x.Moments[body].At == AtHead {
		x.Moments[body].Reach()
		body++
	}
	return x.Moments[body:]
}

// Refund leaves every moment: no good answer has come.
func (x *Exchange) Refund() {
	for i := range x.Moments {
		x.Moments[i].Leave()
	}
}
