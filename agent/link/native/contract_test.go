package native_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/link"
	"otafleet/agent/link/linktest"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

func TestContract(t *testing.T) {
	linktest.Run(t, func(t *testing.T) linktest.Platform {
		return &broker{t: t, given: map[ota.Identity][]*given{}, taken: map[ota.Identity][]ota.Up{}}
	})
}

// broker is a platform on pipes, which keeps messages of QoS 1 over connections.
type broker struct {
	t *testing.T

	mu      sync.Mutex // guards the following
	given   map[ota.Identity][]*given
	taken   map[ota.Identity][]ota.Up
	lastID  uint16
	current *connection
}

// given is a message that no device has acknowledged.
type given struct {
	id      uint16
	topic   string
	payload []byte
	sent    *connection // on which it was sent; nil for none
}

// connection is one connection of a session.
type connection struct {
	net.Conn
	subscribed map[ota.Identity]bool
	credit     int
	out        chan io.WriterTo // what is to be written; a writer of its own, since a pipe holds nothing
	stalled    chan struct{}    // closed when nothing is read any more
	hungUp     chan struct{}    // closed when the session has closed its end
}

// ended is the session's end of a connection, which tells when it is closed.
type ended struct {
	net.Conn
	heard func()
}

func (e *ended) Close() error {
	e.heard()
	return e.Conn.Close()
}

func (b *broker) Traits() linktest.Traits { return linktest.Numbered() }

// Session makes a session of a device and its members.
func (b *broker) Session(t *testing.T, own link.Device, members []link.Device) link.Session {
	s, err := native.New(native.Config{Identity: own.Identity, Deliver: own.Deliver, After: own.After, Members: members,
		URLs: []string{"mqtt://broker"}, Dial: b.dial})
	require.NoError(t, err)
	return s
}

func (b *broker) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &connection{Conn: theirs, subscribed: map[ota.Identity]bool{}, out: make(chan io.WriterTo, 4096),
		stalled: make(chan struct{}), hungUp: make(chan struct{})}
	b.current = c
	go func() {
		for packet := range c.out {
			_, _ = packet.WriteTo(c) // a session that has gone away is no matter
		}
	}()
	go b.serve(c)
	return &ended{Conn: ours, heard: sync.OnceFunc(func() { close(c.hungUp) })}, nil
}

// serve answers a session until its connection ends.
func (b *broker) serve(c *connection) {
	defer func() {
		_ = c.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.current == c {
			b.current = nil
		}
		close(c.out)
	}()
	for {
		packet, err := packets.ReadPacket(c)
		select {
		case <-c.stalled:
			<-c.hungUp
			return
		default:
		}
		if err != nil || packet.Type == packets.DISCONNECT {
			return
		}
		b.answer(c, packet)
	}
}

func (b *broker) answer(c *connection, packet *packets.ControlPacket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch p := packet.Content.(type) {
	case *packets.Connect:
		c.credit = int(*p.Properties.ReceiveMaximum)
		c.out <- &packets.Connack{Properties: &packets.Properties{}}
	case *packets.Subscribe:
		for _, s := range p.Subscriptions {
			id, _, _, _ := wire.Topics{}.Parse(s.Topic[:len(s.Topic)-1] + wire.KindAck)
			c.subscribed[id] = true
		}
		c.out <- &packets.Suback{PacketID: p.PacketID, Reasons: make([]byte, len(p.Subscriptions)),
			Properties: &packets.Properties{}}
	case *packets.Publish:
		id, _, kind, _ := wire.Topics{}.Parse(p.Topic)
		message, err := wire.DecodeUp(kind, p.Payload)
		assert.NoError(b.t, err)
		b.taken[id] = append(b.taken[id], message)
		if p.QoS > 0 {
			c.out <- &packets.Puback{PacketID: p.PacketID, Properties: &packets.Properties{}}
		}
	case *packets.Puback:
		for id, all := range b.given {
			for i, g := range all {
				if g.id == p.PacketID && g.sent == c {
					b.given[id] = append(all[:i:i], all[i+1:]...)
					c.credit++
				}
			}
		}
	case *packets.Pingreq:
		c.out <- &packets.Pingresp{}
	}
	b.push(c)
}

// push sends what the connection still takes.
func (b *broker) push(c *connection) {
	for id := range c.subscribed {
		for _, g := range b.given[id] {
			if g.sent != c && c.credit > 0 {
				g.sent = c
				c.credit--
				c.out <- &packets.Publish{QoS: 1, PacketID: g.id, Topic: g.topic, Payload: g.payload,
					Properties: &packets.Properties{}}
			}
		}
	}
}

// Give keeps a message until it is acknowledged.
func (b *broker) Give(to ota.Identity, message ota.Down) {
	kind, payload, err := wire.EncodeDown(message)
	assert.NoError(b.t, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastID++
	b.given[to] = append(b.given[to], &given{id: b.lastID, topic: wire.Topics{}.Down(to, kind), payload: payload})
	if b.current != nil {
		b.push(b.current)
	}
}

// Unacknowledged counts what is kept.
func (b *broker) Unacknowledged(to ota.Identity) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.given[to])
}

// Taken are the messages of a device.
func (b *broker) Taken(from ota.Identity) []ota.Up {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]ota.Up(nil), b.taken[from]...)
}

// Cut closes the connection.
func (b *broker) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != nil {
		_ = b.current.Close()
	}
}

// Stall reads nothing more of the connection.
func (b *broker) Stall() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != nil {
		close(b.current.stalled)
	}
}
