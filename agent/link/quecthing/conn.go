package quecthing

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"otafleet/agent/link"
)

// conn is a connection that the broker has taken, with its subscription.
type conn struct {
	net.Conn
	timeout time.Duration // of a write

	writing sync.Mutex // held while a packet is written

	// Owned by the device's goroutine.
	packets  chan packet // of the broker
	room     chan struct{}
	hurry    func() bool              // ends what sees to it that nothing is waited for at the end
	early    []*packets.PublishPacket // came before the subscription was accepted
	id       uint16                   // of the last message that was sent
	waits    bool                     // it is not acknowledged
	qos      byte                     // of it
	released bool                     // PUBREC has come
	ackBy    time.Time                // until when it must be
	pingAt   time.Time                // the next ping
	pongBy   time.Time                // until when its answer must come; zero if none is awaited

	mu         sync.Mutex      // guards the following
	unreleased map[uint16]bool // messages of QoS 2 that were delivered
}

// packet is what the reader has read.
type packet struct {
	packets.ControlPacket
	err error // why there will be no more
}

// maxUnreleased is how many messages of QoS 2 the broker may leave unreleased.
const maxUnreleased = 64

// rejected is another answer to CONNECT than yes.
type rejected struct{ code byte }

func (r *rejected) Error() string { return refusal(r.code, false).Error() }

// open connects to the broker, logs in and subscribes.
func (d *device) open(ctx context.Context, password string) (*conn, error) {
	cfg := &d.session.cfg
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	raw, err := cfg.Dial(ctx, "tcp", cfg.address())
	if err != nil {
		return nil, fmt.Errorf("cannot reach the broker: %w", err)
	}
	c := &conn{Conn: raw, timeout: cfg.AckTimeout, packets: make(chan packet), unreleased: map[uint16]bool{},
		room: make(chan struct{}, link.MaxUnhandled)}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if err = c.secure(ctx, cfg); err == nil {
		err = c.login(d.client, cfg.Username, password)
	} else {
		err = hungUp(err, "it ends the connection: does it speak TLS at this port?")
	}
	if err != nil {
		_ = raw.Close()
		if cause := ctx.Err(); cause != nil {
			err = fmt.Errorf("the broker does not answer: does MQTT 3.1.1 listen at this port? (%w)", cause)
		}
		return nil, err
	}
	now := cfg.Now()
	c.pingAt = now.Add(pingEvery / 2)
	return c, nil
}

// secure begins TLS, where the address asks for it.
func (c *conn) secure(ctx context.Context, cfg *Config) error {
	if cfg.URL.Scheme != "mqtts" {
		return nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS != nil {
		given, err := cfg.TLS()
		if err != nil {
			return fmt.Errorf("cannot secure the connection to the broker: %w", err)
		}
		settings = given.Clone()
	}
	if settings.ServerName == "" {
		settings.ServerName = cfg.URL.Hostname()
	}
	secured := tls.Client(c.Conn, settings)
	if err := secured.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("cannot secure the connection to the broker: %w", err)
	}
	c.Conn = secured
	return nil
}

func (c *conn) login(client, username, password string) error {
	if err := c.send(connectPacket(client, username, password)); err != nil {
		return err
	}
	p, err := readPacket(c)
	if err != nil {
		return hungUp(err, "the broker ends the connection instead of an answer: does it take MQTT 3.1.1, and a password "+
			"without a user name?")
	}
	ack, is := p.(*packets.ConnackPacket)
	switch {
	case !is:
		return fmt.Errorf("the broker sent a packet out of turn: %T", p)
	case ack.ReturnCode != 0:
		return &rejected{ack.ReturnCode}
	}
	if err := c.send(subscribePacket(client)); err != nil {
		return err
	}
	c.id = subscription
	return c.subscribed()
}

// subscribed waits for the answer to the subscription. Messages may come before it.
func (c *conn) subscribed() error {
	for {
		p, err := readPacket(c)
		if err != nil {
			return hungUp(err, "the broker ends the connection instead of taking the subscription")
		}
		switch p := p.(type) {
		case *packets.SubackPacket:
			if p.MessageID != subscription || len(p.ReturnCodes) != 1 || p.ReturnCodes[0] > 2 {
				return errors.New("the broker refuses the subscription of the device's topics")
			}
			return nil
		case *packets.PublishPacket:
			if len(c.early) == link.MaxUnhandled {
				return errors.New("the broker sends messages instead of taking the subscription")
			}
			c.early = append(c.early, p)
		case *packets.PingrespPacket:
		default:
			return fmt.Errorf("the broker sent a packet out of turn: %T", p)
		}
	}
}

// hungUp gives the error of a connection that the other end has closed without a word
// a text that says what that means.
func hungUp(err error, meaning string) error {
	for _, silent := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, silent) {
			return fmt.Errorf("%s (%w)", meaning, err)
		}
	}
	return err
}

// read hands on what the broker sends until the connection ends. A message waits for
// room: until then nothing more is read, and the broker keeps the rest.
func (c *conn) read(ended <-chan struct{}) {
	for {
		p, err := readPacket(c)
		if _, is := p.(*packets.PublishPacket); is {
			select {
			case c.room <- struct{}{}:
			case <-ended:
				return
			}
		}
		select {
		case c.packets <- packet{p, err}:
		case <-ended:
			return
		}
		if err != nil {
			return
		}
	}
}

// full reports whether the reader waits for the device.
func (c *conn) full() bool { return len(c.room) == cap(c.room) }

// send writes a packet. A connection that does not take it in time is of no use.
func (c *conn) send(p packets.ControlPacket) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.SetWriteDeadline(time.Now().Add(c.timeout))
	if err == nil {
		err = p.Write(c.Conn)
	}
	if err != nil {
		return fmt.Errorf("the broker takes nothing: %w", err)
	}
	return nil
}

// publish sends a message, of which one at a time is not acknowledged.
func (c *conn) publish(client string, m Publish, now time.Time) error {
	if m.QoS > 0 {
		c.id++
		c.id = max(c.id, subscription+1) // 0 is none
		c.waits, c.qos, c.released, c.ackBy = true, m.QoS, false, now.Add(c.timeout)
	}
	return c.send(publishPacket(client, m, c.id))
}

// acknowledged takes an acknowledgement of the broker: done if it has taken the
// message for good.
func (c *conn) acknowledged(kind byte, id uint16, now time.Time) (done bool, err error) {
	if !c.waits || id != c.id {
		return false, nil // of a message that was given up, or of none
	}
	switch {
	case kind == packets.Puback && c.qos == 1, kind == packets.Pubcomp && c.qos == 2 && c.released:
		c.waits = false
		return true, nil
	case kind == packets.Pubrec && c.qos == 2:
		c.released, c.ackBy = true, now.Add(c.timeout)
		return false, c.send(acknowledgement(packets.Pubrel, id))
	}
	return false, nil
}

// again reports whether a message of QoS 2 was delivered before and not released, and
// notes it.
func (c *conn) again(id uint16) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unreleased[id] {
		return true, nil
	}
	if len(c.unreleased) == maxUnreleased {
		return false, fmt.Errorf("the broker has left %d messages of QoS 2 unreleased", maxUnreleased)
	}
	c.unreleased[id] = true
	return false, nil
}

// release ends a message of QoS 2.
func (c *conn) release(id uint16) error {
	c.mu.Lock()
	delete(c.unreleased, id)
	c.mu.Unlock()
	return c.send(acknowledgement(packets.Pubcomp, id))
}

// overdue says what the broker owes for too long; nil for nothing. While the reader
// waits for the device, it owes nothing.
func (c *conn) overdue(now time.Time) error {
	switch {
	case c.full():
		c.ackBy = now.Add(c.timeout)
		if !c.pongBy.IsZero() {
			c.pongBy = now.Add(pingTimeout)
		}
	case c.waits && now.After(c.ackBy):
		return errors.New("the broker acknowledges nothing")
	case !c.pongBy.IsZero() && now.After(c.pongBy):
		return errors.New("the broker has gone silent")
	}
	return nil
}

// next is when overdue, or ping, is to be asked again.
func (c *conn) next() time.Time {
	at := c.pingAt
	if c.waits && c.ackBy.Before(at) {
		at = c.ackBy
	}
	if !c.pongBy.IsZero() && c.pongBy.Before(at) {
		at = c.pongBy
	}
	return at.Add(time.Millisecond)
}

// ping asks the broker for an answer, if it is time.
func (c *conn) ping(now time.Time) error {
	if now.Before(c.pingAt) {
		return nil
	}
	c.pingAt, c.pongBy = now.Add(pingEvery), now.Add(pingTimeout)
	return c.send(packets.NewControlPacket(packets.Pingreq))
}
