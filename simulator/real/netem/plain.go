package netem

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxRequest is the bytes of a request that leaves in one write.
	maxRequest = 1 << 10
	// maxHead bounds the bytes of an answer before its body.
	maxHead = 64 << 10
	// maxInterim bounds the answers that come before the answer (status 1xx).
	maxInterim = 5
	// idleTime is how long a connection is kept that nothing uses.
	idleTime = 10 * time.Second
)

// Plain carries GET requests by plain HTTP/1.1 on connections that all devices share.
// It takes no goroutine, no channel and no timer for a request, of which net/http's
// transport takes several; the words of both directions are net/http's. What is not
// such a request goes to the other transport.
type Plain struct {
	other  *http.Transport
	most   int // connections that are kept
	dialer net.Dialer

	mu       sync.Mutex // guards the following
	idle     []*plainConn
	sweeping bool
}

// NewPlain returns a transport that keeps at most so many connections.
func NewPlain(other *http.Transport, most int) *Plain { return &Plain{other: other, most: most} }

// plainConn is a connection to a server.
type plainConn struct {
	net.Conn
	address string // host and port
	limit   io.LimitedReader
	in      *bufio.Reader // of limit
	out     *bufio.Writer
	used    bool      // it has carried a request before
	since   time.Time // since when it is idle
}

// RoundTrip sends one request.
func (t *Plain) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.URL.Scheme != "http" || r.Body != nil {
		return t.other.RoundTrip(r)
	}
	address := r.URL.Host
	if r.URL.Port() == "" {
		address = net.JoinHostPort(r.URL.Hostname(), "80")
	}
	for {
		c, err := t.connect(r.Context(), address)
		if err != nil {
			return nil, err
		}
		answer, silent, err := t.ask(c, r)
		if err == nil || !silent || r.Context().Err() != nil {
			return answer, err
		}
		// The server has closed a connection that was kept, and has not seen the request.
	}
}

// ask sends a request over a connection. It is silent if it was kept and says nothing.
func (t *Plain) ask(c *plainConn, r *http.Request) (answer *http.Response, silent bool, err error) {
	ctx := r.Context()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	c.limit.N = maxHead
	if err = errors.Join(r.Write(c.out), c.out.Flush()); err == nil {
		_, err = c.in.Peek(1)
	}
	silent = err != nil && c.used
	for n := 0; err == nil && (answer == nil || answer.StatusCode < http.StatusOK); n++ {
		if answer, err = http.ReadResponse(c.in, r); err == nil && n == maxInterim {
			err = errors.New("the server does not come to an answer")
		}
	}
	if err != nil {
		stop()
		_ = c.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, silent, fmt.Errorf("cannot ask %s: %w", c.address, err)
	}
	c.limit.N = math.MaxInt64
	b := &plainBody{body: answer.Body, ctx: ctx, stop: stop, conn: c, transport: t, last: answer.Close}
	if answer.Body = b; answer.ContentLength == 0 {
		b.end(true)
	}
	return answer, false, nil
}

// connect takes a connection that is kept, or opens one.
func (t *Plain) connect(ctx context.Context, address string) (*plainConn, error) {
	if c := t.take(address); c != nil {
		return c, nil
	}
	conn, err := t.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &plainConn{Conn: conn, address: address}
	c.limit.R = conn
	c.in, c.out = bufio.NewReader(&c.limit), bufio.NewWriterSize(conn, maxRequest)
	return c, nil
}

// take gives the connection that was used last; nil without one.
func (t *Plain) take(address string) *plainConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.idle) - 1; i >= 0; i-- {
		if c := t.idle[i]; c.address == address {
			t.idle = append(t.idle[:i], t.idle[i+1:]...)
			return c
		}
	}
	return nil
}

// keep keeps a connection for the next request.
func (t *Plain) keep(c *plainConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) >= t.most {
		_ = c.Close()
		return
	}
	c.used, c.since = true, time.Now()
	t.idle = append(t.idle, c)
	if !t.sweeping {
		t.sweeping = true
		time.AfterFunc(idleTime, t.sweep)
	}
}

// sweep closes what was not used for long.
func (t *Plain) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	young := t.idle[:0]
	for _, c := range t.idle {
		if time.Since(c.since) < idleTime {
			young = append(young, c)
		} else {
			_ = c.Close()
		}
	}
	clear(t.idle[len(young):])
	t.idle = young
	if t.sweeping = len(young) > 0; t.sweeping {
		time.AfterFunc(idleTime, t.sweep)
	}
}

// CloseIdleConnections closes the connections that nothing uses.
func (t *Plain) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.idle {
		_ = c.Close()
	}
	t.idle = nil
	t.other.CloseIdleConnections()
}

// plainBody is an answer's body. When all of it has been read, the connection is free.
type plainBody struct {
	body      io.Reader
	ctx       context.Context
	stop      func() bool
	conn      *plainConn // nil when it is over
	transport *Plain
	last      bool // the server closes the connection
}

// Read reads what comes.
func (b *plainBody) Read(p []byte) (int, error) {
	if b.conn == nil {
		return 0, io.EOF
	}
	n, err := b.body.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		b.end(true)
	case b.ctx.Err() != nil:
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close ends the connection, unless all was read.
func (b *plainBody) Close() error {
	b.end(false)
	return nil
}

// end lets go of the connection.
func (b *plainBody) end(whole bool) {
	c := b.conn
	if c == nil {
		return
	}
	b.conn = nil
	if stopped := b.stop(); stopped && whole && !b.last {
		b.transport.keep(c)
		return
	}
	_ = c.Close()
}
