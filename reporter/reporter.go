// Package reporter keeps the status reports of one device until the platform
// has them, and spaces its progress notices.
//
// One flow through it: Add numbers a report and queues it; Unsent gives what
// this session has not sent yet, in order; Ack drops what the platform has
// stored; after a reconnect Replay makes everything that is left unsent again.
// A numbered report never changes, so the queue of an Outbox can be kept on
// disk and taken up by another one.
//
// It is pure data: it sends nothing, reads no clock and keeps nothing on disk.
package reporter

import (
	"time"

	"otafleet/internal/ota"
)

// Outbox is the ordered queue of reports that are not acknowledged. The zero
// value is empty and ready. It is not safe for concurrent use.
type Outbox struct {
	queue []ota.Report // numbered, oldest first; elements are never overwritten
	sent  int          // how many of queue were sent in this session
}

// Restore returns an outbox that holds the reports of an earlier Queue, none of
// them sent. It never writes to queue, so that several may be made from one.
func Restore(queue []ota.Report) Outbox {
	return Outbox{queue: queue[:len(queue):len(queue)]}
}

// usual is how many reports wait while a component is upgraded.
const usual = 8

// Add numbers a report as the one after last, queues it and returns it as
// queued. last is the last number used for the report's plan, over all attempts
// and restarts; 0 before the first.
func (o *Outbox) Add(last int, r ota.Report) ota.Report {
	r.Seq = last + 1
	if o.queue == nil {
		o.queue = make([]ota.Report, 0, usual)
	}
	o.queue = append(o.queue, r)
	return r
}

// Unsent returns the reports not sent in this session, in order, and counts
// them as sent.
func (o *Outbox) Unsent() []ota.Report {
	unsent := o.queue[o.sent:]
	o.sent = len(o.queue)
	return unsent
}

// Replay makes every queued report unsent: a session has ended, and what it
// carried may be lost.
func (o *Outbox) Replay() { o.sent = 0 }

// Ack drops every report of plan up to seq and says how many those were. An ack
// that repeats an earlier one drops nothing.
func (o *Outbox) Ack(plan string, seq int) int {
	acked := func(r ota.Report) bool { return r.Plan == plan && r.Seq <= seq }
	// Acks come in order, so that nearly always the front of the queue goes and
	// nothing moves.
	front := 0
	for front < len(o.queue) && acked(o.queue[front]) {
		front++
	}
	o.queue = o.queue[front:]
	o.sent = max(0, o.sent-front)
	dropped := front + o.dropInside(acked)
	if len(o.queue) == 0 {
		o.queue = nil
	}
	return dropped
}

// dropInside removes acknowledged reports that stand behind another plan's. It
// copies the queue, since a kept snapshot may share it.
func (o *Outbox) dropInside(acked func(ota.Report) bool) int {
	var kept []ota.Report
	dropped, sent := 0, o.sent
	for i, r := range o.queue {
		switch {
		case acked(r):
			if kept == nil {
				kept = append(make([]ota.Report, 0, len(o.queue)), o.queue[:i]...)
			}
			dropped++
			if i < o.sent {
				sent--
			}
		case kept != nil:
			kept = append(kept, r)
		}
	}
	if kept != nil {
		o.queue, o.sent = kept, sent
	}
	return dropped
}

// Len is the number of reports that are not acknowledged.
func (o *Outbox) Len() int { return len(o.queue) }

// Queue returns the reports that are not acknowledged, oldest first. The caller
// must not change them; the outbox never does, so the slice stays as it is.
func (o *Outbox) Queue() []ota.Report { return o.queue[:len(o.queue):len(o.queue)] }

// ProgressInterval is the least time between two progress notices of a device.
const ProgressInterval = time.Second

// Pace spaces the progress notices of one device. The zero value is ready.
type Pace struct{ last time.Time }

// Due reports whether a notice may be sent now, and if so counts it as sent.
func (p *Pace) Due(now time.Time) bool {
	if !p.last.IsZero() && now.Sub(p.last) < ProgressInterval && !now.Before(p.last) {
		return false
	}
	p.last = now
	return true
}
