package agent

import "slices"

// maxOrders is how many answers, ends and installations of an operator may wait.
const maxOrders = 64

// queue is what has happened to the device and is not handled yet. A save may take
// hours, on a disk that is full or a server that is away, and what goes on happening
// meanwhile must not fill the memory: what is superseded does not wait. Messages of
// the platform are bounded by the link, which acknowledges them when they have been
// handled, and results of effects by the one effect that runs. The zero value is
// empty.
type queue []Input

// add puts an input into the queue; false if there are too many of its kind.
func (q *queue) add(in Input) bool {
	switch in.(type) {
	case Measured:
		return q.replace(in, isA[Measured])
	case FetchProgressed:
		return q.replace(in, isA[FetchProgressed])
	case Tick:
		return q.replace(in, isA[Tick])
	case CheckRequested:
		return q.replace(in, isA[CheckRequested])
	case PauseRequested:
		q.drop(isA[PauseRequested])
	case ResumeRequested:
		q.drop(isA[PauseRequested])
		q.drop(isA[ResumeRequested])
	case Disconnected:
		if q.drop(isA[Connected]) {
			return true // a connection that nobody has heard of
		}
	case Decided, Abandon, Install:
		if q.count(isOrder) >= maxOrders {
			return false
		}
	}
	*q = append(*q, in)
	return true
}

func isA[T Input](in Input) bool {
	_, is := in.(T)
	return is
}

func isOrder(in Input) bool { return isA[Decided](in) || isA[Abandon](in) || isA[Install](in) }

// replace puts an input in the place of one of its kind, or at the end.
func (q *queue) replace(in Input, kind func(Input) bool) bool {
	if i := slices.IndexFunc(*q, kind); i >= 0 {
		(*q)[i] = in
	} else {
		*q = append(*q, in)
	}
	return true
}

// drop removes what is of a kind, and reports whether there was any.
func (q *queue) drop(kind func(Input) bool) bool {
	before := len(*q)
	*q = slices.DeleteFunc(*q, kind)
	return len(*q) < before
}

func (q *queue) count(kind func(Input) bool) (n int) {
	for _, in := range *q {
		if kind(in) {
			n++
		}
	}
	return n
}
