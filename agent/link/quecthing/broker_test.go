package quecthing_test

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/agent/link/linktest"
	"otafleet/agent/link/quecthing"
	"otafleet/internal/ota"
	wire "otafleet/internal/quecthing"
)

func TestContract(t *testing.T) {
	linktest.Run(t, func(t *testing.T) linktest.Platform { return newBroker(t) })
}

const productSecret = "d2c5Q1FsVWpwT1k3"

// broker is a platform on pipes. The suite speaks of acks and of reports with a number;
// the wire has neither. An ack is given as a plan whose target is its number, and a
// report sent with its number as its component's name.
type broker struct {
	t *testing.T

	mu          sync.Mutex // guards the following
	secrets     secrets
	given       map[string][]*given    // by client
	taken       map[string][]ota.Up    // by client
	connections map[string]*connection // by client
	last        uint16
}

// given is a message that no device has acknowledged.
type given struct {
	id      uint16
	payload []byte
	sent    *connection // on which it was sent; nil for none
}

// connection is one connection of a device.
type connection struct {
	net.Conn
	client     string
	subscribed bool
	inflight   int
	out        chan packets.ControlPacket // what is to be written; a writer of its own, since a pipe holds nothing
	stalled    chan struct{}              // closed when nothing is read any more
	hungUp     chan struct{}              // closed when the session has closed its end
}

// maxInflight is how many messages the broker sends before they are acknowledged.
const maxInflight = 20

func newBroker(t *testing.T) *broker {
	return &broker{t: t, secrets: secrets{}, given: map[string][]*given{}, taken: map[string][]ota.Up{},
		connections: map[string]*connection{}}
}

func (b *broker) Traits() linktest.Traits { return linktest.Numbered() }

// secrets keeps them in memory. The suite's sessions run one after the other.
type secrets map[string]string

func (s secrets) Secret(device string) (string, error) {
	if secret := s[device]; secret != "" {
		return secret, nil
	}
	return "secret", nil
}

func (s secrets) KeepSecret(string, string) error { return nil }

// ended is the session's end of a connection, which tells when it is closed.
type ended struct {
	net.Conn
	heard func()
}

func (e *ended) Close() error {
	e.heard()
	return e.Conn.Close()
}

// numbered is a session whose devices speak in acks and numbered reports.
type numbered struct{ link.Session }

func (n numbered) Send(m ota.Up)           { n.Session.Send(renamed(m)) }
func (n numbered) Member(i int) agent.Link { return member{n.Session.Member(i)} }

type member struct{ agent.Link }

func (m member) Send(u ota.Up) { m.Link.Send(renamed(u)) }

// renamed puts the number of a report into its component's name.
func renamed(m ota.Up) ota.Up {
	r, is := m.(*ota.Report)
	if !is {
		return m
	}
	numbered := *r
	numbered.Component = strconv.Itoa(r.Seq)
	return &numbered
}

// acking hears plans as acks, and not those of its own reports.
func acking(d link.Device) link.Device {
	deliver := d.Deliver
	d.Deliver = func(in agent.Input) {
		received, is := in.(agent.Received)
		if !is {
			deliver(in)
			return
		}
		if plan, is := received.Message.(*ota.Plan); is {
			seq, _ := strconv.Atoi(plan.Components[0].Target)
			deliver(agent.Received{Message: &ota.Ack{Plan: "p", Seq: seq}})
		}
	}
	return d
}

// Session makes a session of a device and its members.
func (b *broker) Session(t *testing.T, own link.Device, members []link.Device) link.Session {
	cfg := quecthing.Config{Device: acking(own), URL: &url.URL{Scheme: "mqtt", Host: "broker"}, Dial: b.dial,
		ProductSecret: func() (string, error) { return productSecret, nil }, Secrets: b.secrets,
		Draw: func() float64 { return 0 }}
	for _, d := range members {
		cfg.Members = append(cfg.Members, acking(d))
	}
	s, err := quecthing.New(cfg)
	require.NoError(t, err)
	return numbered{s}
}

func (b *broker) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	c := &connection{Conn: theirs, out: make(chan packets.ControlPacket, 4096), stalled: make(chan struct{}),
		hungUp: make(chan struct{})}
	go func() {
		for packet := range c.out {
			_ = packet.Write(c) // a session that has gone away is no matter
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
		if b.connections[c.client] == c {
			delete(b.connections, c.client)
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
		if err != nil {
			return
		}
		if _, goodbye := packet.(*packets.DisconnectPacket); goodbye {
			b.mu.Lock()
			b.taken[c.client] = append(b.taken[c.client], &ota.Offline{})
			b.mu.Unlock()
			return
		}
		b.answer(c, packet)
	}
}

func (b *broker) answer(c *connection, packet packets.ControlPacket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch p := packet.(type) {
	case *packets.ConnectPacket:
		assert.True(b.t, p.PasswordFlag && !p.UsernameFlag && p.CleanSession)
		c.client = p.ClientIdentifier
		c.out <- packets.NewControlPacket(packets.Connack)
	case *packets.SubscribePacket:
		assert.Equal(b.t, []string{wire.Filter(c.client)}, p.Topics)
		c.subscribed = true
		b.connections[c.client] = c
		suback := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		suback.MessageID, suback.ReturnCodes = p.MessageID, []byte{1}
		c.out <- suback
	case *packets.PublishPacket:
		b.take(c.client, p.Payload)
		if p.Qos == 1 {
			c.out <- withID(packets.Puback, p.MessageID)
		} else {
			c.out <- withID(packets.Pubrec, p.MessageID)
		}
	case *packets.PubrelPacket:
		c.out <- withID(packets.Pubcomp, p.MessageID)
	case *packets.PubackPacket:
		for client, all := range b.given {
			for i, g := range all {
				if g.id == p.MessageID && g.sent == c {
					b.given[client] = append(all[:i:i], all[i+1:]...)
					c.inflight--
				}
			}
		}
	case *packets.PingreqPacket:
		c.out <- packets.NewControlPacket(packets.Pingresp)
	}
	b.push(c)
}

func withID(kind byte, id uint16) packets.ControlPacket {
	p := packets.NewControlPacket(kind)
	switch p := p.(type) {
	case *packets.PubackPacket:
		p.MessageID = id
	case *packets.PubrecPacket:
		p.MessageID = id
	case *packets.PubrelPacket:
		p.MessageID = id
	case *packets.PubcompPacket:
		p.MessageID = id
	}
	return p
}

// take notes a status as the report that it was made from.
func (b *broker) take(client string, payload []byte) {
	f, err := wire.DecodeFrame(payload)
	assert.NoError(b.t, err)
	items, err := wire.DecodeItems(f.Payload)
	assert.NoError(b.t, err)
	seq, err := strconv.Atoi(items.Text(wire.Component))
	if f.Command != wire.UpgradeStatus || err != nil {
		return
	}
	if code, _ := items.Int(wire.StatusCode); wire.Status(code) == wire.Downloading {
		b.taken[client] = append(b.taken[client], &ota.Report{Seq: seq})
	}
}

// push sends what the connection still takes.
func (b *broker) push(c *connection) {
	for _, g := range b.given[c.client] {
		if c.subscribed && g.sent != c && c.inflight < maxInflight {
			g.sent = c
			c.inflight++
			p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
			p.Qos, p.MessageID, p.Payload = 1, g.id, g.payload
			p.TopicName = wire.Downlink(c.client, wire.OTA)
			c.out <- p
		}
	}
}

// Give keeps a message until it is acknowledged.
func (b *broker) Give(to ota.Identity, message ota.Down) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	payload, err := wire.Frame{ID: b.last, Command: wire.UpgradePlan, Payload: wire.Items{wire.Text(wire.Component, "app"),
		wire.Text(wire.Target, strconv.Itoa(message.(*ota.Ack).Seq)), wire.Int(wire.ComponentType, 0)}.Encode()}.Encode()
	assert.NoError(b.t, err)
	client := clientOf(to)
	b.given[client] = append(b.given[client], &given{id: b.last, payload: payload})
	if c := b.connections[client]; c != nil {
		b.push(c)
	}
}

func clientOf(id ota.Identity) string { return wire.ClientID(id.Product, id.Device) }

// Unacknowledged counts what is kept.
func (b *broker) Unacknowledged(to ota.Identity) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.given[clientOf(to)])
}

// Taken are the messages of a device. A download's status is repeated by itself.
func (b *broker) Taken(from ota.Identity) (kept []ota.Up) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := 0
	for _, m := range b.taken[clientOf(from)] {
		if r, is := m.(*ota.Report); is {
			if r.Seq == last {
				continue
			}
			last = r.Seq
		}
		kept = append(kept, m)
	}
	return kept
}

// Cut closes the connections.
func (b *broker) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.connections {
		_ = c.Close()
	}
}

// Stall reads nothing more of the connections.
func (b *broker) Stall() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.connections {
		close(c.stalled)
	}
}
