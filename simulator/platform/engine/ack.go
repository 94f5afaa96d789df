package engine

import (
	"time"

	"otafleet/internal/ota"
)

// ackDelay is how long reports that end nothing wait to be acknowledged
// together.
const ackDelay = 5 * time.Second

// ackQueue holds the tasks that wait for an acknowledgement. The delay is the
// same for all, so the order of arrival is the order of their times and no
// timer per device is needed.
type ackQueue struct {
	waiting []waitingAck
	head    int // waiting before it have been served
}

type waitingAck struct {
	due  time.Time
	task *task
}

// due is when the oldest entry must be served.
func (q *ackQueue) due() (time.Time, bool) {
	if q.head == len(q.waiting) {
		return time.Time{}, false
	}
	return q.waiting[q.head].due, true
}

func (q *ackQueue) push(due time.Time, t *task) {
	if q.head > len(q.waiting)/2 {
		n := copy(q.waiting, q.waiting[q.head:])
		clear(q.waiting[n:])
		q.waiting, q.head = q.waiting[:n], 0
	}
	q.waiting = append(q.waiting, waitingAck{due, t})
}

func (q *ackQueue) pop() *task {
	t := q.waiting[q.head].task
	q.waiting[q.head] = waitingAck{}
	q.head++
	return t
}

// owe acknowledges a task's reports at once, or within ackDelay.
func (e *Engine) owe(t *task, urgent bool) {
	t.ackDue = true
	switch {
	case urgent:
		e.acknowledge(t)
	case !t.ackQueued:
		t.ackQueued = true
		e.acks.push(e.now.Add(ackDelay), t)
	}
}

func (e *Engine) flushAcks() {
	for {
		due, waiting := e.acks.due()
		if !waiting || e.now.Before(due) {
			return
		}
		t := e.acks.pop()
		t.ackQueued = false
		if t.ackDue {
			e.acknowledge(t)
		}
	}
}

func (e *Engine) acknowledge(t *task) {
	t.ackDue = false
	e.send(t.device, &ota.Ack{Plan: t.plan.spec.ID, Seq: t.seq})
}
