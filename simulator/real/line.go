package real

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"otafleet/simulator/scenario"
)

var errLineDown = fmt.Errorf("the line is down: %w", syscall.ENETDOWN)

// line is a virtual device's connection to everything else: a real socket with
// the bandwidth, latency and loss of the scenario, that can be cut, silenced and
// slowed down.
type line struct {
	spec   scenario.Link
	random func() float64 // 0 <= u < 1; safe for concurrent use
	dialer dialer
	base   http.RoundTripper

	mu       sync.Mutex // guards the following
	lost     bool       // down for ever
	until    time.Time  // down until then
	still    time.Time  // nothing passes until then
	cuts     int
	troubles []trouble // that may be over
	conns    []*lineConn
}

// trouble is what makes a line worse for a time.
type trouble struct {
	until time.Time
	lag   time.Duration // more latency, each way
	rate  int64         // bytes a second that still pass; 0 for no such limit
}

// cut drops every connection and lets none up for a time.
func (l *line) cut(down time.Duration) {
	for _, c := range l.take(down) {
		_ = c.Close()
	}
}

// reset drops every connection as a broken router does: the other end is told
// that it is reset.
func (l *line) reset() {
	for _, c := range l.take(0) {
		if tcp, is := c.Conn.(interface{ SetLinger(sec int) error }); is {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// lose drops every connection and lets none up ever again.
func (l *line) lose() {
	l.mu.Lock()
	l.lost = true
	l.mu.Unlock()
	l.cut(0)
}

// isLost reports whether the line will never be up again.
func (l *line) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// take takes the line down and its connections off.
func (l *line) take(down time.Duration) []*lineConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	conns := l.conns
	l.conns = nil
	l.cuts++
	l.until = later(l.until, down)
	return conns
}

// freeze lets nothing pass for a time.
func (l *line) freeze(still time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.still = later(l.still, still)
}

// suffer makes the line worse for a time.
func (l *line) suffer(t trouble, lasting time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.until = time.Now().Add(lasting)
	l.troubles = append(l.troubles, t)
}

// later is the moment after a time from now, or the given one if that is later.
func later(t time.Time, after time.Duration) time.Time {
	if then := time.Now().Add(after); then.After(t) {
		return then
	}
	return t
}

// state says whether the line is down, and how often it was cut.
func (l *line) state() (down bool, cuts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isDown(), l.cuts
}

func (l *line) isDown() bool { return l.lost || time.Now().Before(l.until) }

// stillness is for how long nothing passes.
func (l *line) stillness() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.still)
}

// worst is the most that the line suffers now.
func (l *line) worst() (lag time.Duration, rate int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rate = l.spec.Bandwidth
	if l.troubles == nil {
		return 0, rate
	}
	now := time.Now()
	l.troubles = slices.DeleteFunc(l.troubles, func(t trouble) bool { return !now.Before(t.until) })
	for _, t := range l.troubles {
		lag = max(lag, t.lag)
		if t.rate > 0 && (rate == 0 || t.rate < rate) {
			rate = t.rate
		}
	}
	if len(l.troubles) == 0 {
		l.troubles = nil
	}
	return lag, rate
}

// pass waits until something passes, while the line is silent.
func (l *line) pass(ctx context.Context) error {
	for left := l.stillness(); left > 0 && ctx.Err() == nil; left = l.stillness() {
		pause(ctx, left)
	}
	return ctx.Err()
}

// delay waits for one way of the line, there or back.
func (l *line) delay(ctx context.Context, ways int) error {
	if err := l.pass(ctx); err != nil {
		return err
	}
	lag, _ := l.worst()
	wait := time.Duration(ways) * lag
	if l.spec.Latency > 0 {
		jitter := time.Duration((2*l.random() - 1) * float64(l.spec.Jitter))
		wait += time.Duration(ways) * (l.spec.Latency + jitter)
	}
	if wait += l.resend(); wait > 0 {
		pause(ctx, wait)
	}
	return ctx.Err()
}

// leastTimeout is the shortest time after which a packet that was lost is sent
// again: TCP's.
const leastTimeout = 200 * time.Millisecond

// resend is how much longer a message takes, or a segment of a download, since a
// packet of it may be lost.
func (l *line) resend() time.Duration {
	if l.spec.Loss == 0 || l.random() >= l.spec.Loss.Share() {
		return 0
	}
	return max(leastTimeout, 2*l.spec.Latency)
}

// RoundTrip sends a download's request over the line. The connections behind it
// are shared by the fleet: what makes them the device's own are its bandwidth,
// its latency and its cuts.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	down, cuts := l.state()
	if down {
		return nil, errLineDown
	}
	if err := l.delay(r.Context(), 2); err != nil {
		return nil, err
	}
	if _, now := l.state(); now != cuts {
		return nil, errLineDown
	}
	answer, err := l.base.RoundTrip(r)
	if err == nil {
		answer.Body = &lineBody{ReadCloser: answer.Body, ctx: r.Context(), line: l, cuts: cuts}
	}
	return answer, err
}

// pause sleeps, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
