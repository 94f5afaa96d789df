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

	buffers *Buffers

	// Owned by the reader.
	head [2]byte // room for the begin of a packet, which may be long in coming
	buf  []byte  // head, or lent; nil while nothing is read
	in   []byte  // the part of it that has come and was not handed on

	writing sync.Mutex // held while a packet is written

	lastRead, lastWrite atomic.Int64 // nanoseconds after opened

	mu    sync.Mutex
	cause error // why the connection was closed from this side
}

func newConn(c net.Conn, buffers *Buffers) *conn {
	return &conn{Conn: c, opened: time.Now(), buffers: buffers}
}

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

// next reads a packet. A payload is good until the next one is read.
func (c *conn) next() (packets.Packet, error) {
	header := len(c.head)
	if err := c.need(header); err != nil {
		return nil, err
	}
	kind, length := c.in[0], int(c.in[1]&0x7f)
	for ; c.in[header-1]&0x80 != 0; header++ {
		if header == maxHeader {
			return nil, errors.New("the broker sent a packet with a malformed length")
		}
		if err := c.need(header + 1); err != nil {
			return nil, err
		}
		length |= int(c.in[header]&0x7f) << (7 * (header - 1))
	}
	// The length is checked before memory is taken for it.
	if header+length > ota.MaxPacket {
		return nil, fmt.Errorf("the broker sent a packet of %d bytes, at most %d were announced", header+length,
			ota.MaxPacket)
	}
	if err := c.need(header + length); err != nil {
		return nil, cmp.Or(webServer(kind, c.in[header:]), err)
	}
	body := c.in[header : header+length]
	c.in = c.in[header+length:]
	return parse(kind, body)
}

// read reads a packet, or says why there will be none. It holds no buffer while it waits:
// a broker may let thousands of devices wait for its answer.
func (c *conn) read() (packets.Packet, error) {
	if len(c.in) == 0 {
		c.letGo()
		if err := c.begin(); err != nil {
			return nil, c.why(err)
		}
	}
	p, err := c.next()
	if err != nil {
		return nil, c.why(err)
	}
	return p, nil
}

// need reads until at least so many bytes are there.
func (c *conn) need(bytes int) error {
	if len(c.in) >= bytes {
		return nil
	}
	c.makeRoom(bytes)
	for len(c.in) < bytes {
		n, err := c.Conn.Read(c.buf[len(c.in):])
		if n > 0 {
			c.lastRead.Store(int64(c.now()))
		}
		if c.in = c.buf[:len(c.in)+n]; err != nil && len(c.in) < bytes {
			return err
		}
	}
	return nil
}

// makeRoom moves what is there to the begin of a buffer that has room for so many
// bytes.
func (c *conn) makeRoom(bytes int) {
	before, buf := c.buf, c.buf
	switch {
	case bytes <= len(before):
	case bytes <= bufferSize:
		buf = c.buffers.take()
	default:
		buf = make([]byte, bytes)
	}
	c.buf, c.in = buf, buf[:copy(buf, c.in)]
	if bytes > len(before) {
		c.buffers.give(before)
	}
}

// letGo gives the buffer back of which everything was handed on.
func (c *conn) letGo() {
	c.buffers.give(c.buf)
	c.buf, c.in = nil, nil
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
	if p := parsePublish(first, body); p != nil {
		return p, nil
	}
	if p := parsePuback(first, body); p != nil {
		return p, nil
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
		publish.Payload, publish.Properties = body[end:], nil // the session uses none
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

// send writes a packet.
func (c *conn) send(p io.WriterTo) error {
	var out bytes.Buffer
	_, _ = p.WriteTo(&out) // memory takes it
	return c.write(out.Bytes())
}

// write writes whole packets. A connection that does not take them is of no use any
// more and closed, which the reader tells everyone.
func (c *conn) write(packets []byte) error {
	c.writing.Lock()
	_, err := c.Conn.Write(packets)
	c.writing.Unlock()
	if err != nil {
		c.fail(err)
		return c.why(err)
	}
	c.lastWrite.Store(int64(c.now()))
	return nil
}
