package simulator

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"otafleet/simulator/scenario"
)

var errLineDown = errors.New("the line is down")

// line is a virtual device's connection to everything else: a real socket with
// the bandwidth and latency of the scenario, that can be cut.
type line struct {
	spec   scenario.Link
	random func() float64 // 0 <= u < 1; safe for concurrent use
	dialer *net.Dialer
	base   http.RoundTripper

	mu    sync.Mutex // guards the following
	until time.Time  // down until then
	cuts  int
	conns map[*lineConn]struct{}
}

// cut drops every connection and lets none up for a time.
func (l *line) cut(down time.Duration) {
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.cuts++
	if until := time.Now().Add(down); until.After(l.until) {
		l.until = until
	}
	l.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
}

// state says whether the line is down, and how often it was cut.
func (l *line) state() (down bool, cuts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until), l.cuts
}

// delay waits for one way of the line, there or back.
func (l *line) delay(ctx context.Context, ways int) error {
	if l.spec.Latency == 0 {
		return ctx.Err()
	}
	jitter := time.Duration((2*l.random() - 1) * float64(l.spec.Jitter))
	timer := time.NewTimer(time.Duration(ways) * (l.spec.Latency + jitter))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dial opens a connection to the broker.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if down, _ := l.state(); down {
		return nil, errLineDown
	}
	if err := l.delay(ctx, 2); err != nil {
		return nil, err
	}
	conn, err := l.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &lineConn{Conn: conn, line: l}
	c.ctx, c.hangUp = context.WithCancel(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return nil, errors.Join(errLineDown, conn.Close())
	}
	if l.conns == nil {
		l.conns = make(map[*lineConn]struct{}, 1)
	}
	l.conns[c] = struct{}{}
	return c, nil
}

// lineConn is a connection over the line.
type lineConn struct {
	net.Conn
	line   *line
	ctx    context.Context // until it is closed
	hangUp context.CancelFunc
}

// Read delays what comes by the way there and back: messages are small, and a
// device's own goroutine reads them, so that nobody else waits.
func (c *lineConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		_ = c.line.delay(c.ctx, 2)
	}
	return n, err
}

// Close closes the connection, and ends the delay of what is on its way.
func (c *lineConn) Close() error {
	c.hangUp()
	c.line.mu.Lock()
	delete(c.line.conns, c)
	c.line.mu.Unlock()
	return c.Conn.Close()
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
	answer, err := l.base.RoundTrip(r)
	if err == nil {
		answer.Body = &lineBody{ReadCloser: answer.Body, ctx: r.Context(), line: l, cuts: cuts}
	}
	return answer, err
}

// lineBody is an answer's body at the speed of the line.
type lineBody struct {
	io.ReadCloser
	ctx  context.Context
	line *line
	cuts int
	owed time.Duration // of waiting, gathered until it is worth a sleep
}

// worthSleeping keeps a fast line from sleeping thousands of times a second.
const worthSleeping = 5 * time.Millisecond

func (b *lineBody) Read(p []byte) (int, error) {
	if _, cuts := b.line.state(); cuts != b.cuts {
		return 0, errLineDown
	}
	n, err := b.ReadCloser.Read(p)
	if b.line.spec.Bandwidth > 0 && n > 0 {
		b.owed += time.Duration(float64(n) / float64(b.line.spec.Bandwidth) * float64(time.Second))
		if b.owed >= worthSleeping {
			pause(b.ctx, b.owed)
			b.owed = 0
		}
	}
	return n, err
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
