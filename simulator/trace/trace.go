package trace

import (
	"sort"
	"time"
)

// The bounds of a trace.
const (
	MaxBytes  = 16 << 20       // of a file
	MaxPoints = 20_000         // of a trace, equal ones in a row counted as one
	MaxLength = 24 * time.Hour // of a trace
	maxRate   = 1 << 40        // bytes a second
	maxLoss   = 99             // percent of the packets at which something still comes through
	// MaxLatency bounds the latency, one way.
	MaxLatency = time.Minute
)

// Trace is what was recorded of a line. It is not changed after Parse.
type Trace struct {
	points []Point // the first at 0, each later than the one before and different from it
	length time.Duration
	Gives  Gives
}

// Gives says which values a trace has; the other ones are not its own.
type Gives struct{ Down, Up, Latency, Loss bool }

// Point is a line from a time on.
type Point struct {
	At      time.Duration // since the beginning of the trace
	Down    int64         // bytes a second that come to the device
	Up      int64         // bytes a second that leave it
	Latency time.Duration // one way
	Loss    float64       // percent of the packets, 0 to 99
}

// Length is after what time the trace begins again.
func (t *Trace) Length() time.Duration { return t.length }

// IsOut reports whether a trace carries nothing at a point. Where nothing goes one way,
// nothing is acknowledged that goes the other way.
func (t *Trace) IsOut(p *Point) bool { return t.Gives.Down && p.Down == 0 || t.Gives.Up && p.Up == 0 }

// At is the point that holds at a time since the beginning, and how long it still does.
func (t *Trace) At(at time.Duration) (p *Point, lasts time.Duration) {
	at %= t.length
	i := sort.Search(len(t.points), func(i int) bool { return t.points[i].At > at }) - 1
	return &t.points[i], t.end(i) - at
}

// end is when the i-th point is over.
func (t *Trace) end(i int) time.Duration {
	if i+1 < len(t.points) {
		return t.points[i+1].At
	}
	return t.length
}

// Outage is how long the line still carries nothing at a time; 0 if it carries something.
func (t *Trace) Outage(at time.Duration) (lasts time.Duration) {
	for {
		p, left := t.At(at + lasts)
		if !t.IsOut(p) || lasts > t.length {
			return lasts
		}
		lasts += left
	}
}

// NextOutage is in how long an outage of at least so long begins, after a time at which
// there is none; negative for none.
func (t *Trace) NextOutage(at, least time.Duration) time.Duration {
	for wait := time.Duration(0); wait <= 2*t.length; {
		out := t.Outage(at + wait)
		if out >= least {
			return wait
		}
		_, left := t.At(at + wait)
		wait += max(out, left)
	}
	return -1
}

// LongestOutage is how long the longest outage lasts.
func (t *Trace) LongestOutage() (longest time.Duration) {
	for i := range t.points {
		longest = max(longest, t.Outage(t.points[i].At))
	}
	return longest
}

// Slowest is the greatest latency, and the greatest loss, of the trace.
func (t *Trace) Slowest() (latency time.Duration, loss float64) {
	for i := range t.points {
		latency, loss = max(latency, t.points[i].Latency), max(loss, t.points[i].Loss)
	}
	return latency, loss
}

// Fastest is the least latency of the trace.
func (t *Trace) Fastest() time.Duration {
	least := t.points[0].Latency
	for i := range t.points {
		least = min(least, t.points[i].Latency)
	}
	return least
}

// Average is how many bytes a second the line carries down over the whole trace.
func (t *Trace) Average() int64 {
	sum := 0.0
	for i := range t.points {
		if p := &t.points[i]; !t.IsOut(p) {
			sum += float64(p.Down) * (t.end(i) - p.At).Seconds()
		}
	}
	return int64(sum / t.length.Seconds())
}

// add puts a point behind the others, unless the last one goes on.
func (t *Trace) add(p Point) {
	last := len(t.points) - 1
	if t.IsOut(&p) { // nothing tells what else it is like
		p = Point{At: p.At, Latency: p.Latency, Loss: p.Loss}
		if last >= 0 {
			p.Latency, p.Loss = t.points[last].Latency, t.points[last].Loss
		}
	}
	if last >= 0 {
		same := t.points[last]
		same.At = p.At
		if same == p {
			return
		}
	}
	t.points = append(t.points, p)
}

// outForEver reports whether the line never carries anything.
func (t *Trace) outForEver() bool {
	for i := range t.points {
		if !t.IsOut(&t.points[i]) {
			return false
		}
	}
	return true
}
