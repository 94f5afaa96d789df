package model

import (
	"math"
	"time"

	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
)

// Line is a device's line as time passes, which is counted from the start of the run:
// its link, and where it begins in the trace of the link.
type Line struct {
	link  scenario.Link
	start time.Duration
}

// NewLine is the line of a device. Where it begins in a trace depends, like every draw,
// on the seed and the device alone.
func NewLine(link *scenario.Link, seed uint64, device string) Line {
	l := Line{link: *link}
	if t := link.Trace; t != nil && !link.TraceAtBegin {
		l.start = time.Duration(fault.Uniform(seed, device, "trace", 0) * float64(t.Length()))
	}
	return l
}

// At is the link at a time, with what its trace says.
func (l *Line) At(at time.Duration) scenario.Link {
	link := l.link
	if link.Trace == nil {
		return link
	}
	p, _ := link.Trace.At(l.start + at)
	gives := link.Trace.Gives
	if gives.Down {
		link.Bandwidth = p.Down
	}
	if gives.Up {
		link.Upload = p.Up
	}
	if gives.Latency {
		link.Latency = p.Latency
	}
	if gives.Loss {
		link.Loss = scenario.Percent(p.Loss)
	}
	return link
}

// Lasts is how long the link stays as it is at a time.
func (l *Line) Lasts(at time.Duration) time.Duration {
	if l.link.Trace == nil {
		return math.MaxInt64
	}
	_, lasts := l.link.Trace.At(l.start + at)
	return lasts
}

// Outage is how long the line still carries nothing at a time; 0 if it carries something.
func (l *Line) Outage(at time.Duration) time.Duration {
	if l.link.Trace == nil {
		return 0
	}
	return l.link.Trace.Outage(l.start + at)
}

// NextOutage is in how long an outage of at least so long begins; negative for never.
func (l *Line) NextOutage(at, least time.Duration) time.Duration {
	if l.link.Trace == nil {
		return -1
	}
	return l.link.Trace.NextOutage(l.start+at, least)
}

// Down is when bytes have come that begin to come at a time, if at most so many a second
// do; 0 for no such limit.
func (l *Line) Down(at time.Duration, bytes int, most int64) time.Duration {
	for left := float64(bytes); ; {
		at += l.Outage(at)
		link, lasts := l.At(at), l.Lasts(at)
		rate := LeastLimit(link.Bandwidth, most)
		if rate == 0 {
			return at
		}
		takes := OnLine(left, rate)
		if takes <= lasts {
			return at + takes
		}
		left -= float64(rate) * lasts.Seconds()
		at += lasts
	}
}

// LeastLimit is the lower of two limits, of which 0 is none.
func LeastLimit(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// OnLine is how long bytes take at a rate, which is not 0.
func OnLine(bytes float64, rate int64) time.Duration {
	return time.Duration(bytes / float64(rate) * float64(time.Second))
}
