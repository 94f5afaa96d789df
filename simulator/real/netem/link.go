package netem

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"otafleet/simulator/model"
)

// ErrDown is of a connection or a request that finds the link down.
var ErrDown = fmt.Errorf("the link is down: %w", syscall.ENETDOWN)

// Link is a virtual device's connection to everything else: a real socket with
// the bandwidth, latency and loss of the scenario, that can be cut, silenced and
// slowed down.
type Link struct {
	line   model.Line
	clock  func() time.Duration // since the start of the run
	random func() float64
	dialer Dialer
	base   http.RoundTripper

	mu       sync.Mutex // guards the following
	lost     bool       // down for ever
	until    time.Time  // down until then
	still    time.Time  // nothing passes until then
	cuts     int
	troubles []trouble // that may be over
	conns    []*linkConn
}

// NewLink returns a link as its line is by a clock. Its sessions are opened by dialer,
// its downloads by base, which the links of a run share; random gives 0 <= u < 1, and is
// safe for concurrent use, as clock is.
func NewLink(line model.Line, clock func() time.Duration, random func() float64, dialer Dialer,
	base http.RoundTripper) *Link {
	return &Link{line: line, clock: clock, random: random, dialer: dialer, base: base}
}

// trouble is what makes a link worse for a time.
type trouble struct {
	until time.Time
	lag   time.Duration // more latency, each way
	rate  int64         // bytes a second that still pass; 0 for no such limit
}

// Cut drops every connection and lets none up for a time.
func (l *Link) Cut(down time.Duration) {
	for _, c := range l.take(down) {
		_ = c.Close()
	}
}

// Reset drops every connection as a broken router does: the other end learns
// that it is reset.
func (l *Link) Reset() {
	for _, c := range l.take(0) {
		if tcp, is := c.Conn.(interface{ SetLinger(sec int) error }); is {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// Lose drops every connection and lets none up ever again.
func (l *Link) Lose() {
	l.mu.Lock()
	l.lost = true
	l.mu.Unlock()
	l.Cut(0)
}

// IsLost reports whether the link will never be up again.
func (l *Link) IsLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// take takes the link down and its connections off.
func (l *Link) take(down time.Duration) []*linkConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	conns := l.conns
	l.conns = nil
	l.cuts++
	l.until = later(l.until, down)
	return conns
}

// Freeze lets nothing pass for a time.
func (l *Link) Freeze(still time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.still = later(l.still, still)
}

// Delay makes everything take longer for a time, each way.
func (l *Link) Delay(by, lasting time.Duration) { l.worsen(trouble{lag: by}, lasting) }

// Throttle passes at most so many bytes a second for a time.
func (l *Link) Throttle(rate int64, lasting time.Duration) { l.worsen(trouble{rate: rate}, lasting) }

// worsen makes the link worse for a time.
func (l *Link) worsen(t trouble, lasting time.Duration) {
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

// IsDown reports whether nothing can be sent at all.
func (l *Link) IsDown() bool {
	down, _ := l.state()
	return down
}

// state says whether the link is down, and how often it was cut.
func (l *Link) state() (down bool, cuts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unreachable(), l.cuts
}

// unreachable reports whether the link is down; l.mu is held.
func (l *Link) unreachable() bool { return l.lost || time.Now().Before(l.until) }

// stillness is for how long nothing passes.
func (l *Link) stillness() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(time.Until(l.still), l.line.Outage(l.clock()))
}

// worst is the most by which the link is worse now: more latency, and bytes a second
// that still pass, 0 for no such limit.
func (l *Link) worst() (lag time.Duration, rate int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.troubles == nil {
		return 0, 0
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

// isInstant reports whether what comes now, and the answer to it, takes no time on the link.
func (l *Link) isInstant() bool {
	now := l.line.At(l.clock())
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Trace == nil && now.Upload == 0 && now.Latency == 0 && now.Jitter == 0 && now.Loss == 0 &&
		l.troubles == nil && !time.Now().Before(l.still)
}

// down is how many bytes a second come now; 0 for no limit.
func (l *Link) down() int64 {
	_, most := l.worst()
	now := l.line.At(l.clock())
	return model.LeastLimit(now.Bandwidth, most)
}

// pass waits until something passes, while the link is silent.
func (l *Link) pass(ctx context.Context) error {
	for left := l.stillness(); left > 0 && ctx.Err() == nil; left = l.stillness() {
		Sleep(ctx, left)
	}
	return ctx.Err()
}

// travel waits for one way of the link, there or back.
func (l *Link) travel(ctx context.Context, ways int) error {
	if err := l.pass(ctx); err != nil {
		return err
	}
	lag, _ := l.worst()
	now := l.line.At(l.clock())
	wait := time.Duration(ways)*(lag+model.Latency(&now, l.random)) + model.Resend(&now, l.random)
	if wait > 0 {
		Sleep(ctx, wait)
	}
	return ctx.Err()
}

// RoundTrip sends a download's request over the link. The connections behind it
// are shared by the fleet: what makes them the device's own are its bandwidth,
// its latency and its cuts.
func (l *Link) RoundTrip(r *http.Request) (*http.Response, error) {
	down, cuts := l.state()
	if down {
		return nil, ErrDown
	}
	if err := l.travel(r.Context(), 2); err != nil {
		return nil, err
	}
	if _, now := l.state(); now != cuts {
		return nil, ErrDown
	}
	answer, err := l.base.RoundTrip(r)
	if err == nil {
		answer.Body = &linkBody{ReadCloser: answer.Body, ctx: r.Context(), link: l, cuts: cuts, free: l.clock()}
	}
	return answer, err
}

// Sleep sleeps, unless ctx ends first.
func Sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
