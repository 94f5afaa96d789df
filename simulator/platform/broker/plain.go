package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// plainPacket is the largest packet that a Plain takes, in bytes.
	plainPacket = 256 << 10
	// maxQueued is how many messages may wait for a peer that does not read them.
	maxQueued = 64
	// lastPacketID keeps packet ids in one byte, which some clients count on.
	lastPacketID = 255
	writeTimeout = 10 * time.Second
	version311   = 4
)

// Answer is what a Handler says to a client that connects.
type Answer uint8

// The answers.
const (
	Admit  Answer = iota
	Refuse        // by a CONNACK, "not authorized": some clients forget who they are when they read it
	HangUp        // without a word, so that the client tries again
)

// Handler is who the clients of a Plain speak with. Its methods are called in the
// goroutine of the client's connection: in order for one connection, concurrently for
// several.
type Handler interface {
	// Login decides on a client by its id and the password that it gives, empty for
	// none.
	Login(client, password string) Answer
	// Hears reports whether a client may subscribe to a filter.
	Hears(client, filter string) bool
	// Subscribed says that the peer may be sent messages from now on.
	Subscribed(p *Peer)
	// Take takes a message of the peer, which is acknowledged when Take returns. An
	// error cuts the connection instead.
	Take(p *Peer, topic string, payload []byte) error
	// Left says that a connection has ended whose client was admitted.
	Left(p *Peer)
}

// Plain is a listening MQTT 3.1.1 broker whose clients speak with a Handler and not with
// each other. It keeps no sessions. A client may give a password without a user name,
// which MQTT 3.1.1 forbids and some devices do.
type Plain struct {
	gate

	handler Handler

	peering sync.Mutex // guards the following
	peers   map[string]*Peer
}

// Listen returns a plain broker that listens at host:port. Connections wait until Run
// serves them.
func Listen(address string, logger *slog.Logger) (*Plain, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot start the broker: %w", err)
	}
	b := &Plain{gate: gate{listener: listener, log: logger, conns: map[net.Conn]*mqtt.Client{}}, peers: map[string]*Peer{}}
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumPacketSize = plainPacket
	limits.ReceiveMaximum = receiveMaximum
	limits.RetainAvailable = 0
	limits.MaximumClientWritesPending = 1
	b.server = mqtt.New(&mqtt.Options{
		Capabilities:            limits,
		ClientNetReadBufferSize: readBuffer,
		SysTopicResendInterval:  math.MaxInt64 / int64(time.Second),
		Logger:                  slog.New(slog.DiscardHandler), // it would print passwords
	})
	if err := b.server.AddHook(&plainHook{plain: b}, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start the broker: %w", err), listener.Close())
	}
	return b, nil
}

// Run serves until Close is called. It then cuts every connection without a goodbye,
// and returns when the last goroutine has ended. A Plain runs once.
func (b *Plain) Run(handler Handler) error {
	b.handler = handler
	if err := b.serve(func(client *mqtt.Client) {
		if p := b.peer(client); p != nil {
			b.dismiss(p) // mochi says nothing of one that breaks before its CONNACK
		}
	}); err != nil {
		return fmt.Errorf("cannot run the broker: %w", err)
	}
	return nil
}

// peer finds the peer of a connection; nil if it has none, or none any longer.
func (b *Plain) peer(client *mqtt.Client) *Peer {
	b.peering.Lock()
	defer b.peering.Unlock()
	if p := b.peers[client.ID]; p != nil && p.client == client {
		return p
	}
	return nil
}

// welcome makes a connection the client's only one.
func (b *Plain) welcome(client *mqtt.Client) {
	p := &Peer{ID: client.ID, plain: b, client: client, gone: make(chan struct{})}
	for {
		b.peering.Lock()
		last := b.peers[client.ID]
		if last == nil {
			b.peers[client.ID] = p
		}
		b.peering.Unlock()
		if last == nil {
			b.owns(client)
			return
		}
		last.Cut()
		select {
		case <-last.gone:
		case <-time.After(takeoverPatience):
			b.dismiss(last)
		}
	}
}

// dismiss forgets a peer, once.
func (b *Plain) dismiss(p *Peer) {
	b.peering.Lock()
	known := b.peers[p.ID] == p
	if known {
		delete(b.peers, p.ID)
	}
	b.peering.Unlock()
	if known {
		b.handler.Left(p)
		close(p.gone)
	}
}

// Peer is a connection of an admitted client.
type Peer struct {
	ID string // client id

	plain  *Plain
	client *mqtt.Client
	gone   chan struct{} // closed when the handler knows that it has left

	mu      sync.Mutex // guards the following
	queue   []packets.Packet
	writing bool
	last    uint16 // packet id
}

// Send sends a message with QoS 1, in the order of the calls. A peer that does not
// read what it is sent is cut.
func (p *Peer) Send(topic string, payload []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) >= maxQueued {
		p.Cut()
		return
	}
	p.last = p.last%lastPacketID + 1
	p.queue = append(p.queue, packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1},
		PacketID:    p.last, TopicName: topic, Payload: payload,
	})
	if !p.writing {
		p.writing = p.plain.spawn(p.write)
	}
}

// write sends what waits, and ends.
func (p *Peer) write() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.queue, p.writing = nil, false
			p.mu.Unlock()
			return
		}
		next := p.queue[0]
		p.queue = slices.Delete(p.queue, 0, 1)
		p.mu.Unlock()
		_ = p.client.Net.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err := p.client.WritePacket(next); err != nil {
			p.Cut()
		}
	}
}

// Cut cuts the connection without a goodbye.
func (p *Peer) Cut() { cut(p.client.Net.Conn) }

// plainHook is where mochi asks and tells a Plain.
type plainHook struct {
	mqtt.HookBase
	plain *Plain
}

// ID names the hook.
func (h *plainHook) ID() string { return "plain" }

// Provides says which of the methods mochi has to call.
func (h *plainHook) Provides(method byte) bool {
	switch method {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnSessionEstablish, mqtt.OnDisconnect,
		mqtt.OnSubscribe, mqtt.OnPublish, mqtt.OnPacketProcessed, mqtt.OnPacketEncode:
		return true
	}
	return false
}

// errHungUp ends a connection without a CONNACK.
var errHungUp = errors.New("hung up")

// OnConnect admits or refuses a client.
func (h *plainHook) OnConnect(client *mqtt.Client, pk packets.Packet) error {
	if pk.ProtocolVersion != version311 || client.ID != pk.Connect.ClientIdentifier {
		return errHungUp
	}
	client.Properties.Clean = true // there are no sessions
	switch h.plain.handler.Login(client.ID, string(pk.Connect.Password)) {
	case Admit:
		return nil
	case Refuse:
		_ = h.plain.server.SendConnack(client, packets.ErrNotAuthorized, false, nil)
	case HangUp:
	}
	return errHungUp
}

// OnConnectAuthenticate accepts what OnConnect has admitted.
func (h *plainHook) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck lets everything in but what mochi would route.
func (h *plainHook) OnACLCheck(_ *mqtt.Client, topic string, write bool) bool {
	return write && !strings.HasPrefix(topic, "$") || topic == routed && !write
}

// OnSessionEstablish ends an earlier connection of the client before the CONNACK.
func (h *plainHook) OnSessionEstablish(client *mqtt.Client, _ packets.Packet) {
	h.plain.welcome(client)
}

// OnDisconnect tells the handler.
func (h *plainHook) OnDisconnect(client *mqtt.Client, _ error, _ bool) {
	if p := h.plain.peer(client); p != nil {
		h.plain.dismiss(p)
	}
}

// OnSubscribe takes the filters over from mochi.
func (h *plainHook) OnSubscribe(client *mqtt.Client, pk packets.Packet) packets.Packet {
	for i := range pk.Filters {
		heard := h.plain.handler.Hears(client.ID, pk.Filters[i].Filter)
		if pk.Filters[i].Filter = refused; heard {
			pk.Filters[i].Filter = routed
		}
	}
	return pk
}

// OnPacketProcessed tells the handler of a subscription after its SUBACK.
func (h *plainHook) OnPacketProcessed(client *mqtt.Client, pk packets.Packet, err error) {
	if pk.FixedHeader.Type != packets.Subscribe || err != nil {
		return
	}
	granted := func(s packets.Subscription) bool { return s.Filter == routed } // see OnSubscribe
	if p := h.plain.peer(client); p != nil && slices.ContainsFunc(pk.Filters, granted) {
		h.plain.handler.Subscribed(p)
	}
}

// OnPacketEncode gives every refusal the code that a Handler's has: mochi's are those of
// MQTT 5, or one that some clients take for the loss of their account.
func (h *plainHook) OnPacketEncode(_ *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Connack && pk.ReasonCode != packets.CodeSuccess.Code {
		pk.ReasonCode = packets.Err3NotAuthorized.Code
	}
	return pk
}

// OnPublish gives the handler a message before it is acknowledged.
func (h *plainHook) OnPublish(client *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	p := h.plain.peer(client)
	if p == nil {
		return pk, packets.ErrRejectPacket
	}
	if err := h.plain.handler.Take(p, pk.TopicName, pk.Payload); err != nil {
		h.plain.log.Debug("connection cut", "client", client.ID, "error", err)
		p.Cut()
		return pk, packets.ErrRejectPacket
	}
	return pk, nil
}
