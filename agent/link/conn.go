package link

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/internal/ota"
)

// conn is the connection as paho sees it. Reading, it hands on whole packets
// that a server may send and that can be parsed. Writing, it makes one write of
// each packet, which paho writes in four pieces.
type conn struct {
	net.Conn
	opened time.Time

	// Owned by paho's reader.
	head   [2]byte // where the reader waits, without holding more memory
	packet []byte  // not read yet

	writing sync.Mutex // held while a packet is written; guards out
	out     []byte

	lastRead, lastWrite atomic.Int64 // nanoseconds after opened

	mu    sync.Mutex
	cause error // why the connection was closed from this side
}

func newConn(c net.Conn) *conn { return &conn{Conn: c, opened: time.Now()} }

// fail closes the connection; whoever reads next learns why.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	if secure, ok := c.Conn.(*tls.Conn); ok {
		// Its own Close would first write a last alert, for up to 5 s.
		_ = secure.NetConn().Close()
	}
	_ = c.Close()
}

// why gives the reason for which the connection was closed from this side, or
// else the error that was met.
func (c *conn) why(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	return err
}

// now is the time after opened.
func (c *conn) now() time.Duration { return time.Since(c.opened) }

// quietSince is the moment, after opened, since which nothing was read or
// nothing was written.
func (c *conn) quietSince() time.Duration {
	return time.Duration(min(c.lastRead.Load(), c.lastWrite.Load()))
}

func (c *conn) Read(b []byte) (int, error) {
	if len(c.packet) == 0 {
		if err := c.readPacket(); err != nil {
			return 0, c.why(err)
		}
	}
	n := copy(b, c.packet)
	if c.packet = c.packet[n:]; len(c.packet) == 0 {
		c.packet = nil
	}
	return n, nil
}

// readPacket takes the next packet off the line. Its length is checked before
// memory is taken for it.
func (c *conn) readPacket() error {
	if err := c.fill(c.head[:]); err != nil {
		return err
	}
	header := append(make([]byte, 0, 5), c.head[:]...)
	for header[len(header)-1]&0x80 != 0 {
		if len(header) == cap(header) {
			return errors.New("the broker sent a packet with a malformed length")
		}
		next := header[len(header) : len(header)+1]
		if err := c.fill(next); err != nil {
			return err
		}
		header = header[:len(header)+1]
	}
	length := 0
	for i, b := range header[1:] {
		length |= int(b&0x7f) << (7 * i)
	}
	if len(header)+length > ota.MaxPacket {
		return fmt.Errorf("the broker sent a packet of %d bytes, at most %d were announced", len(header)+length, ota.MaxPacket)
	}
	packet := append(make([]byte, 0, len(header)+length), header...)
	if err := c.fill(packet[len(header):cap(packet)]); err != nil {
		return err
	}
	c.packet = packet[:cap(packet)]
	return inspect(c.packet)
}

func (c *conn) fill(b []byte) error {
	for len(b) > 0 {
		n, err := c.Conn.Read(b)
		if n > 0 {
			c.lastRead.Store(int64(c.now()))
		}
		if b = b[n:]; err != nil && len(b) > 0 {
			return err
		}
	}
	return nil
}

// inspect refuses what paho would answer with a crash: packets that only QoS 2
// or an enhanced authentication knows, which this session never uses, and
// lengths within a packet that its parser does not check.
func inspect(packet []byte) (err error) {
	kind := packet[0] >> 4
	switch kind {
	case packets.CONNACK, packets.PUBACK, packets.SUBACK, packets.PINGRESP, packets.DISCONNECT:
	case packets.PUBLISH:
		if packet[0]>>1&3 > 1 {
			return errors.New("the broker sent a message with a QoS above the subscribed one")
		}
	default:
		return fmt.Errorf("the broker sent a packet of the unexpected type %d", kind)
	}
	defer func() {
		if recover() != nil {
			err = errors.New("the broker sent a malformed packet")
		}
	}()
	if _, err := packets.ReadPacket(bytes.NewReader(packet)); err != nil {
		return fmt.Errorf("the broker sent a malformed packet: %w", err)
	}
	return nil
}

// Lock begins a packet. Paho locks a connection that can be locked around each
// packet it writes.
func (c *conn) Lock() { c.writing.Lock() }

// Write takes a piece of a packet.
func (c *conn) Write(b []byte) (int, error) {
	c.out = append(c.out, b...)
	return len(b), nil
}

// Unlock sends the packet. A connection that does not take it is of no use any
// more and closed, which the reader tells everyone.
func (c *conn) Unlock() {
	_, err := c.Conn.Write(c.out)
	c.out = nil
	c.writing.Unlock()
	if err != nil {
		c.fail(err)
		return
	}
	c.lastWrite.Store(int64(c.now()))
}

var _ io.ReadWriteCloser = (*conn)(nil)
