package agent

// maxOrders is how many answers, ends and installations of an operator may wait.
const maxOrders = 64

// queue is what has happened to the device and is not handled yet. A save may take
// hours, on a disk that is full or a server that is away, and what goes on arriving
// meanwhile must not fill the memory: what is superseded does not wait. Messages of
// the platform are bounded by the link, which acknowledges them when they have been
// handled, and results of effects by the one effect that runs. The zero value is
// empty.
type queue []Input

// kind is what inputs have in common that replace each other in the queue.
type kind uint8

const (
	isOther kind = iota
	isMeasured
	isProgress
	isTick
	isCheck
	isPause
	isResume
	isConnected
	isDisconnected
	isOrder
)

func kindOf(in Input) kind {
	switch in.(type) {
	case Measured:
		return isMeasured
	case FetchProgressed:
		return isProgress
	case Tick:
		return isTick
	case CheckRequested:
		return isCheck
	case PauseRequested:
		return isPause
	case ResumeRequested:
		return isResume
	case Connected:
		return isConnected
	case Disconnected:
		return isDisconnected
	case Decided, Abandon, Install:
		return isOrder
	}
	return isOther
}

// add puts an input into the queue; false if there are too many of its kind.
func (q *queue) add(in Input) bool {
	switch k := kindOf(in); k {
	case isMeasured, isProgress, isTick, isCheck:
		for i := range *q {
			if kindOf((*q)[i]) == k {
				(*q)[i] = in
				return true
			}
		}
	case isPause:
		q.drop(isPause)
	case isResume:
		q.drop(isPause)
		q.drop(isResume)
	case isDisconnected:
		if q.drop(isConnected) > 0 {
			return true // a connection that was not delivered
		}
	case isOrder:
		if q.count(isOrder) >= maxOrders {
			return false
		}
	}
	*q = append(*q, in)
	return true
}

// drop removes the inputs of a kind, and counts them.
func (q *queue) drop(k kind) (dropped int) {
	kept := (*q)[:0]
	for _, in := range *q {
		if kindOf(in) == k {
			dropped++
		} else {
			kept = append(kept, in)
		}
	}
	clear((*q)[len(kept):])
	*q = kept
	return dropped
}

func (q *queue) count(k kind) (n int) {
	for _, in := range *q {
		if kindOf(in) == k {
			n++
		}
	}
	return n
}
