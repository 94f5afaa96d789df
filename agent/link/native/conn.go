package native

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/internal/ota"
)

// maxHeader is the size of a packet's fixed header: the type, and a length of up
// to four bytes.
const maxHeader = 5

// conn is a connection as packets. It hands on those that a server may send and
// that can be parsed, and makes one write of each that is sent.
type conn struct {
	net.Conn
	opened time.Time

	// Owned by the reader.
	head [2]byte // the begin of a packet
	got  int     // bytes of it

	writing sync.Mutex // held while a packet is written

	lastRead, lastWrite atomic.Int64 // nanoseconds after opened

	mu    sync.Mutex
	cause error // why the connection was closed from this side
}

func newConn(c net.Conn) *conn { return &conn{Conn: c, opened: time.Now()} }

// secure is the TLS session; nil on a plain connection.
func (c *conn) secure() *tls.Conn {
	s, _ := c.Conn.(*tls.Conn)
	return s
}

// fail closes the connection; whoever reads next learns why.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	if secure := c.secure(); secure != nil {
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

// next reads a packet.
func (c *conn) next() (packets.Packet, error) {
	if err := c.fill(c.head[c.got:]); err != nil {
		return nil, err
	}
	c.got = 0
	kind, length := c.head[0], int(c.head[1]&0x7f)
	header := len(c.head)
	for b := c.head[1:]; b[0]&0x80 != 0; header++ {
		if header == maxHeader {
			return nil, errors.New("the broker sent a packet with a malformed length")
		}
		b = make([]byte, 1)
		if err := c.fill(b); err != nil {
			return nil, err
		}
		length |= int(b[0]&0x7f) << (7 * (header - 1))
	}
	// The length is checked before memory is taken for it.
	if header+length > ota.MaxPacket {
		return nil, fmt.Errorf("the broker sent a packet of %d bytes, at most %d were announced", header+length,
			ota.MaxPacket)
	}
	body := make([]byte, length)
	if err := c.fill(body); err != nil {
		return nil, cmp.Or(webServer(kind, body), err)
	}
	return parse(kind, body)
}

// read reads a packet, or says why there will be none.
func (c *conn) read() (packets.Packet, error) {
	p, err := c.next()
	if err != nil {
		return nil, c.why(err)
	}
	return p, nil
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

// parse reads a packet's body. It refuses packets that only QoS 2 or an enhanced
// authentication knows, which this session never uses, and lengths within a
// packet that paho does not check and would crash on.
func parse(first byte, body []byte) (p packets.Packet, err error) {
	if err := webServer(first, body); err != nil {
		return nil, err
	}
	kind := first >> 4
	switch kind {
	case packets.CONNACK, packets.PUBLISH, packets.PUBACK, packets.SUBACK, packets.PINGRESP, packets.DISCONNECT:
	default:
		return nil, fmt.Errorf("the broker sent a packet of the unexpected type %d", kind)
	}
	if p, err := parseShort(kind, body); p != nil || err != nil {
		return p, err
	}
	end, overruns := propertiesEnd(first, body)
	if overruns {
		return nil, errors.New("the broker sent a packet whose properties are longer than it")
	}
	p = packets.NewControlPacket(kind).Content
	head := body
	if publish, ok := p.(*packets.Publish); ok {
		head = body[:end] // paho would copy the payload, piece by piece
		if publish.QoS = first >> 1 & 3; publish.QoS > 1 {
			return nil, errors.New("the broker sent a message with a QoS above the subscribed one")
		}
		publish.Retain = first&1 != 0
	}
	defer func() {
		if recover() != nil {
			err = errors.New("the broker sent a malformed packet")
		}
	}()
	if err := p.Unpack(bytes.NewBuffer(head)); err != nil {
		return nil, fmt.Errorf("the broker sent a malformed packet: %w", err)
	}
	if publish, ok := p.(*packets.Publish); ok {
		if publish.Properties.TopicAlias != nil {
			return nil, errors.New("the broker sent a topic alias, and none was allowed")
		}
		publish.Payload = body[end:]
	}
	return p, nil
}

// parseShort reads the packets without properties that paho does not know; it
// gives neither for any other.
func parseShort(kind byte, body []byte) (packets.Packet, error) {
	switch {
	case kind == packets.DISCONNECT && len(body) == 0:
		return &packets.Disconnect{Properties: &packets.Properties{}}, nil
	case kind != packets.CONNACK || len(body) != 2:
		return nil, nil
	case body[1] >= 0x80:
		return nil, &Refused{Code: body[1]}
	}
	// MQTT 3.1.1's answer is this short; one of MQTT 5 has properties.
	return nil, &Refused{Code: 0x84, Reason: "it answers in MQTT 3.1.1"}
}

// webServer says with which status a web server has answered: its first line,
// "HTTP/1.1 400 …", was read as a packet. Nil if it is none.
func webServer(first byte, body []byte) error {
	if len(body) < len("TP/1.1 400") || first != 'H' || string(body[:3]) != "TP/" {
		return nil
	}
	return &Refused{Code: 0x84, Reason: "it answers in HTTP, with status " + strings.Map(digitsOnly, string(body[7:10]))}
}

// digitsOnly leaves nothing of what a stranger writes but numbers.
func digitsOnly(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

// propertiesEnd is where a packet's properties end and its payload begins, and
// whether they are announced to be longer than the packet, which paho takes for its
// end. A packet that is shorter than that has none.
func propertiesEnd(first byte, body []byte) (end int, overruns bool) {
	at := len(body)
	switch first >> 4 {
	case packets.CONNACK, packets.SUBACK:
		at = 2
	case packets.PUBACK:
		at = 3
	case packets.DISCONNECT:
		at = 1
	case packets.PUBLISH:
		if at = 2; len(body) >= at {
			at += int(binary.BigEndian.Uint16(body))
		}
		if first>>1&3 > 0 {
			at += 2
		}
	}
	if at >= len(body) {
		return len(body), false
	}
	rest := body[at:]
	length, n := binary.Uvarint(rest[:min(4, len(rest))]) // MQTT's form of a number is this one
	if n <= 0 || length > uint64(len(rest)-n) {
		return len(body), true
	}
	return at + n + int(length), false
}

// send writes a packet. A connection that does not take it is of no use any more
// and closed, which the reader tells everyone.
func (c *conn) send(p io.WriterTo) error {
	var out bytes.Buffer
	_, _ = p.WriteTo(&out) // memory takes it
	c.writing.Lock()
	_, err := c.Conn.Write(out.Bytes())
	c.writing.Unlock()
	if err != nil {
		c.fail(err)
		return c.why(err)
	}
	c.lastWrite.Store(int64(c.now()))
	return nil
}
