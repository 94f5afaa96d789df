package virtual

import "time"

// queue holds what is going to happen in one world, earliest first; of what
// happens at the same time, the first to be added comes first.
type queue struct {
	heap []event
	next uint64
}

// event is one thing that is going to happen.
type event struct {
	at    time.Duration // since the start of the run
	order uint64
	do    func()
}

func (e *event) before(other *event) bool {
	return e.at < other.at || e.at == other.at && e.order < other.order
}

// add lets something happen at a time.
func (q *queue) add(at time.Duration, do func()) {
	q.heap = append(q.heap, event{at, q.next, do})
	q.next++
	for i := len(q.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.heap[i].before(&q.heap[parent]) {
			return
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

// peek is when the next event comes; false if there is none.
func (q *queue) peek() (time.Duration, bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// take removes the earliest event. There must be one.
func (q *queue) take() func() {
	do := q.heap[0].do
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return do
		}
		if child+1 < last && q.heap[child+1].before(&q.heap[child]) {
			child++
		}
		if !q.heap[child].before(&q.heap[i]) {
			return do
		}
		q.heap[i], q.heap[child] = q.heap[child], q.heap[i]
		i = child
	}
}
