package virtual

import "time"

// queue holds what is going to happen in one world, earliest first; of what
// happens at the same time, the first to be added comes first.
type queue struct {
	heap []event
	last uint64 // number of the event that was added last, from 1
}

// event is one thing that is going to happen.
type event struct {
	at     time.Duration // since the start of the run
	number uint64
	what   due
}

// due is what a queue holds: a function, or a value that has what it needs. The
// frequent ones are such values, which take one object where a function takes two, or
// none where they are used again. number is the event's: a value that waits for another
// one by now knows that this one is of no use any more.
type due interface{ happen(number uint64) }

// doing is a function that happens.
type doing func()

func (do doing) happen(uint64) { do() }

func (e *event) before(other *event) bool {
	return e.at < other.at || e.at == other.at && e.number < other.number
}

// add lets something be done at a time.
func (q *queue) add(at time.Duration, do func()) { q.put(at, doing(do)) }

// put lets something happen at a time, and returns the number of that event.
func (q *queue) put(at time.Duration, what due) (number uint64) {
	q.last++
	fresh := event{at, q.last, what}
	q.heap = append(q.heap, fresh)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !fresh.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = fresh
	return fresh.number
}

// peek is when the next event comes; false if there is none.
func (q *queue) peek() (time.Duration, bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// take removes the earliest event. There must be one.
func (q *queue) take() (earliest event) {
	earliest = q.heap[0]
	last := len(q.heap) - 1
	moved := q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	if last == 0 {
		return earliest
	}
	i := 0
	for child := 1; child < last; child = 2*i + 1 {
		if child+1 < last && q.heap[child+1].before(&q.heap[child]) {
			child++
		}
		if !q.heap[child].before(&moved) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = moved
	return earliest
}

// emptied is a queue that holds nothing, in the memory of this one.
func (q *queue) emptied() queue {
	clear(q.heap)
	return queue{heap: q.heap[:0]}
}
