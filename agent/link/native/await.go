package native

import (
	"errors"
	"net"
	"os"
	"time"
)

// Awaiter is a connection that can wait without a goroutine. A connection from
// Config.Dial may be one.
type Awaiter interface {
	// Await returns at once and calls ready once, on a goroutine of its own, when
	// there is something to read or when the connection was closed, from
	// whichever side. Nothing reads meanwhile.
	Await(ready func())
}

// recordWait is for the rest of a TLS record whose begin is there. One that
// carries no data for the session, such as a ticket, ends with it.
const recordWait = 100 * time.Millisecond

// await returns at once and calls ready when a packet has begun to arrive, or
// with the error that ends the connection, on a goroutine whose stack is fresh.
func (c *conn) await(ready func(error)) {
	waiter, ok := c.raw().(Awaiter)
	if !ok {
		go func() { ready(c.begin()) }()
		return
	}
	waiter.Await(func() {
		if c.secure() == nil {
			ready(nil) // a read does not wait
			return
		}
		there, err := c.peek(recordWait)
		if err == nil && !there {
			c.await(ready)
			return
		}
		ready(err)
	})
}

// begin waits for the begin of a packet. An idle link may wait here for days, on
// the smallest stack.
func (c *conn) begin() error {
	c.buf, c.in = c.head[:], c.head[:0]
	return c.need(len(c.head))
}

// more reports whether a packet has begun to arrive of which none would hear who
// waits for the connection: a read takes what is there, and TLS whole records.
func (c *conn) more() (bool, error) {
	if len(c.in) > 0 {
		return true, nil
	}
	c.letGo()
	if _, ok := c.raw().(Awaiter); !ok || c.secure() == nil {
		return false, nil
	}
	return c.peek(0)
}

// peek reports whether a packet begins within a time. A read of TLS that has run
// out of time can be repeated.
func (c *conn) peek(within time.Duration) (bool, error) {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return false, err
	}
	err := c.need(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.letGo()
		return false, c.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return false, err
	}
	return true, c.SetReadDeadline(time.Time{})
}

// raw is the connection below TLS.
func (c *conn) raw() net.Conn {
	if s := c.secure(); s != nil {
		return s.NetConn()
	}
	return c.Conn
}
