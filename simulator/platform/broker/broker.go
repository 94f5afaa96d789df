// Package broker is an MQTT 5 broker inside the process: the meeting place of
// a fleet and a platform that needs no set-up and forgets everything when it
// is closed.
//
// One flow through it: a device connects and the access list (access.go)
// decides by its user name and client id whether it may; it subscribes to its
// own down topics, which the directory (directory.go) remembers for its
// session; it publishes a report, which the broker hands to Config.Handle; the
// platform answers with Publish, and the message waits in the device's session
// (session.go) until the device is there and has acknowledged it.
//
// Connections, packets, wills and the expiry of sessions are the work of
// mochi-mqtt, which only this package imports. Queues are not: mochi sends a
// reconnected client its backlog in random order, past its Receive Maximum and
// past the messages' expiry, looks up packet ids of both directions in one
// map, spends about 10 KiB on the topic of a single device, and lets a client
// that does not read hold up whoever publishes to it. So mochi sees every
// device's subscription as one and the same, and package broker routes.
//
// The broker keeps nothing on disk and no retained messages, offers QoS 0 and
// 1, and speaks MQTT 5 only.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"otafleet/internal/ota"
)

const (
	readBuffer     = 256              // bytes; larger packets are read into their own memory
	receiveMaximum = 256              // messages a client may have unacknowledged
	longestAway    = 7 * 24 * 60 * 60 // seconds that a session waits for its client, however long it asks for
)

// Broker is a listening broker. Its methods may be called concurrently.
type Broker struct {
	gate

	// immutable
	directory *directory
	access    *access
	handle    func(topic string, payload []byte)
	secure    bool
}

// New returns a broker that listens. Connections wait until Run serves them.
func New(cfg Config) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot start the broker: %w", err)
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := net.Listen("tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot start the broker: %w", err)
	}
	b := &Broker{
		gate:   gate{listener: listener, log: cfg.Logger, conns: make(map[net.Conn]*mqtt.Client)},
		access: newAccess(cfg),
		handle: cfg.Handle,
		secure: cfg.TLS != nil,
	}
	if b.secure {
		b.listener = tls.NewListener(listener, cfg.TLS)
	}
	b.directory = newDirectory(func(write func()) { b.spawn(write) }, b.drop, cfg.MaxAway)
	if b.server, err = b.newServer(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start the broker: %w", err), listener.Close())
	}
	return b, nil
}

// newServer sets mochi up. Topic aliases are off because mochi checks access
// before it resolves them; retained messages because nothing could bound them;
// the statistics topics because each round stops the world; its queue of
// writes is as short as can be because sessions have their own; its log
// because it would print packets, passwords included.
func (b *Broker) newServer() (*mqtt.Server, error) {
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MinimumProtocolVersion = 5
	limits.MaximumPacketSize = ota.MaxPacket
	limits.MaximumQos = 1
	limits.MaximumSessionExpiryInterval = longestAway
	limits.ReceiveMaximum = receiveMaximum
	limits.TopicAliasMaximum = 0
	limits.RetainAvailable = 0
	limits.MaximumClientWritesPending = 1
	limits.Compatibilities.NoInheritedPropertiesOnAck = true
	server := mqtt.New(&mqtt.Options{
		Capabilities:            limits,
		ClientNetReadBufferSize: readBuffer,
		SysTopicResendInterval:  math.MaxInt64 / int64(time.Second),
		InlineClient:            true,
		Logger:                  slog.New(slog.DiscardHandler),
	})
	if err := server.AddHook(&hook{broker: b}, nil); err != nil {
		return nil, err
	}
	// One subscription sees every message, wills included; route does the rest.
	return server, server.Subscribe("#", 1,
		func(_ *mqtt.Client, _ packets.Subscription, pk packets.Packet) { b.route(pk) })
}

// Run serves until ctx ends or Close is called. It then cuts every connection
// without a goodbye, as a killed process would, forgets every session, and
// returns when the last goroutine has ended; the address is free at once. A
// Broker runs once.
func (b *Broker) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = b.Close() })
	defer stop()
	if err := b.serve(b.gone); err != nil {
		return fmt.Errorf("cannot run the broker: %w", err)
	}
	return nil
}

// URL is the broker's address as clients write it.
func (b *Broker) URL() string {
	if b.secure {
		return "mqtts://" + b.Addr().String()
	}
	return "mqtt://" + b.Addr().String()
}

// Publish sends a message with QoS 1 to a device's topic
// <prefix>/<product>/<device>/down/<kind>. The message waits for as long as
// the device's session lives, but at most for expiry when that is positive.
// Without a session, and when 4 MiB wait for the device already, it is
// dropped, as MQTT says. The payload must not be changed afterwards.
func (b *Broker) Publish(topic string, payload []byte, expiry time.Duration) error {
	if a, ok := b.access.parse(topic); !ok || a.direction != "down" || !ota.ValidKey(a.kind) {
		return fmt.Errorf("cannot publish: topic %q is not %s/<product>/<device>/down/<kind>", topic, b.access.prefix)
	}
	if len(payload) > ota.MaxPayload {
		return fmt.Errorf("cannot publish to %s: %d bytes are more than %d", topic, len(payload), ota.MaxPayload)
	}
	m := message{topic: topic, payload: payload, contentType: "application/json", qos: 1}
	if expiry > 0 {
		m.expires = time.Now().Add(expiry)
	}
	b.directory.deliver(m, "")
	return nil
}

// Owes reports whether a message to a device waits, or was sent and has not been
// acknowledged. One without a session is owed nothing.
func (b *Broker) Owes(id ota.Identity) bool { return b.directory.owes(b.access.down(id)) }

// Kick cuts the connection of a client without a goodbye and reports whether
// there was one. The client's session lives on.
func (b *Broker) Kick(clientID string) bool { return b.directory.kick(clientID) }

// TakeOver ends the connection of a client with the words that another one has taken
// its session over, and reports whether there was one. The client's session lives on.
func (b *Broker) TakeOver(clientID string) bool {
	client, _ := b.directory.occupant(clientID)
	if client == nil || client.Closed() {
		return false
	}
	sendTakenOver(client)
	return true
}

// Stats are counts of the moment.
type Stats struct {
	Connections int   // open connections, whether admitted or not
	Sessions    int   // clients that the broker knows, connected or not
	Dropped     int64 // messages given up because a session's queue was full
}

// Stats counts.
func (b *Broker) Stats() Stats {
	sessions, dropped := b.directory.count()
	return Stats{Connections: b.count(), Sessions: sessions, Dropped: dropped}
}

// gone notes that a connection has ended, also one that never became a session's.
func (b *Broker) gone(client *mqtt.Client) {
	// Mochi says nothing of one that breaks before its CONNACK.
	forget := client.Properties.Props.SessionExpiryInterval == 0 && !client.IsTakenOver()
	if b.directory.leave(client, forget); forget {
		b.drop(client)
	}
}

// drop lets mochi forget a client, unless it has come back as another one.
func (b *Broker) drop(client *mqtt.Client) {
	b.server.UnsubscribeClient(client)
	if known, found := b.server.Clients.Get(client.ID); found && known == client {
		b.server.Clients.Delete(client.ID)
	}
}

// route takes a message that a client published, or that its will is.
func (b *Broker) route(pk packets.Packet) {
	m := message{
		topic:       pk.TopicName,
		payload:     pk.Payload,
		contentType: pk.Properties.ContentType,
		qos:         pk.FixedHeader.Qos,
	}
	if seconds := pk.Properties.MessageExpiryInterval; seconds > 0 {
		m.expires = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	if a, ok := b.access.parse(m.topic); ok && a.direction == "up" && b.handle != nil {
		b.handle(m.topic, m.payload)
	}
	b.directory.deliver(m, pk.Origin)
}
