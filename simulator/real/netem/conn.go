package netem

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"otafleet/agent/link/native"
	"otafleet/simulator/model"
)

// Dial opens a connection to the broker.
func (l *Link) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if down, _ := l.state(); down {
		return nil, ErrDown
	}
	if err := l.travel(ctx, 2); err != nil {
		return nil, err
	}
	conn, err := l.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &linkConn{Conn: conn, link: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unreachable() {
		return nil, errors.Join(ErrDown, conn.Close())
	}
	l.conns = append(l.conns, c)
	return c, nil
}

// linkConn is a connection over the link.
type linkConn struct {
	net.Conn
	link *Link

	// Guarded by link.mu.
	closed bool
	ctx    context.Context // until it is closed; nil while nothing has had to wait
	hangUp context.CancelFunc

	// asked says that what comes next is no part of what came before: something
	// was written since, or waited for.
	asked atomic.Bool

	mu   sync.Mutex // held while something is sent; guards the following
	held []byte     // written while the link was silent
}

// atOnce is how soon a read returns what has come before it began.
const atOnce = time.Millisecond

// Read delays what comes by the way there and back: messages are small, and a
// device's own goroutine reads them, so that nothing else waits. What is there at
// once, and no answer to anything, has come together with what was read before.
func (c *linkConn) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := c.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	answers := c.asked.Swap(false)
	if c.link.isInstant() {
		return n, err
	}
	if answers || time.Since(began) >= atOnce {
		_ = c.link.travel(c.untilClosed(), 2)
	} else {
		_ = c.link.pass(c.untilClosed())
	}
	c.crawl(n)
	return n, err
}

// untilClosed is a context that ends when the connection is closed. Over most links
// nothing ever waits, and a fleet has many.
func (c *linkConn) untilClosed() context.Context {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.ctx == nil {
		c.ctx, c.hangUp = context.WithCancel(context.Background())
		if c.closed {
			c.hangUp()
		}
	}
	return c.ctx
}

// Await waits for something to read (native.Awaiter).
func (c *linkConn) Await(ready func()) {
	waiter, ok := c.Conn.(native.Awaiter)
	if !ok {
		go ready() // the read waits
		return
	}
	began := time.Now()
	waiter.Await(func() {
		if time.Since(began) >= atOnce {
			c.asked.Store(true)
		}
		if c.link.isInstant() {
			ready()
		} else {
			go ready() // it will sleep
		}
	})
}

// crawl takes the time that some bytes take on a link that is slowed down. What comes
// in a session is too little to wait for otherwise.
func (c *linkConn) crawl(bytes int) {
	if _, rate := c.link.worst(); rate > 0 {
		Sleep(c.untilClosed(), model.OnLine(float64(bytes), rate))
	}
}

// leave takes the time that some bytes take to leave the device.
func (c *linkConn) leave(bytes int) {
	_, most := c.link.worst()
	now := c.link.line.At(c.link.clock())
	if rate := model.LeastLimit(now.Upload, most); rate > 0 {
		Sleep(c.untilClosed(), model.OnLine(float64(bytes), rate))
	}
}

// Write sends bytes, or holds them while the link is silent, as the buffer of a
// socket does: the agent learns nothing of it.
func (c *linkConn) Write(p []byte) (int, error) {
	if !c.link.isInstant() {
		c.leave(len(p))
	}
	c.asked.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	still := c.link.stillness()
	if still <= 0 && len(c.held) == 0 {
		return c.Conn.Write(p)
	}
	if len(c.held) == 0 {
		time.AfterFunc(still, c.release)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// release sends what was held back, once the link is silent no more.
func (c *linkConn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if still := c.link.stillness(); still > 0 && c.untilClosed().Err() == nil {
		time.AfterFunc(still, c.release)
		return
	}
	_, _ = c.Conn.Write(c.held) // whoever reads learns of an error
	c.held = nil
}

// Close closes the connection, and ends the delay of what is on its way.
func (c *linkConn) Close() error {
	c.link.mu.Lock()
	c.closed = true
	if c.hangUp != nil {
		c.hangUp()
	}
	if i := slices.Index(c.link.conns, c); i >= 0 {
		c.link.conns = slices.Delete(c.link.conns, i, i+1)
	}
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// linkBody is an answer's body at the speed of the link.
type linkBody struct {
	io.ReadCloser
	ctx  context.Context
	link *Link
	cuts int
	free time.Duration // when what was read has come, by the clock of the link
	part int           // bytes since the last segment
}

const (
	// worthSleeping keeps a fast link from sleeping thousands of times a second.
	worthSleeping = 5 * time.Millisecond
	// atATime is how much is read at once of a body that comes slowly, so that its reader
	// sees it come.
	atATime = 100 * time.Millisecond
	// behind is for how long bytes still come that are not read: into a socket's buffer.
	behind = 100 * time.Millisecond
)

// Read reads what comes, at the speed at which it does.
func (b *linkBody) Read(p []byte) (int, error) {
	if err := b.link.pass(b.ctx); err != nil {
		return 0, err
	}
	if _, cuts := b.link.state(); cuts != b.cuts {
		return 0, ErrDown
	}
	l, began := b.link, b.link.clock()
	if rate := l.down(); rate > 0 {
		p = p[:min(len(p), max(1024, int(float64(rate)*atATime.Seconds())))]
	}
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		_, most := l.worst()
		b.free = l.line.Down(max(b.free, began-behind), n, most)
	}
	now := l.line.At(began)
	for b.part += n; b.part >= model.Segment; b.part -= model.Segment {
		b.free += model.Resend(&now, l.random)
	}
	if wait := b.free - l.clock(); wait >= worthSleeping {
		Sleep(b.ctx, wait)
	}
	return n, err
}
