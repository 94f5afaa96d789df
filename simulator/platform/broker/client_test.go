package broker_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/broker"
)

// patience is how long a test waits for what must happen; a loaded machine
// needs much less.
const patience = 2 * time.Minute

// pause is how long a test waits for what must not happen.
const pause = 150 * time.Millisecond

// start runs a broker until the test ends, or until stop is called.
func start(t testing.TB, cfg broker.Config) (b *broker.Broker, stop func()) {
	t.Helper()
	b, err := broker.New(cfg)
	require.NoError(t, err)
	return b, run(t, b)
}

// run serves a broker until the test ends, or until stop is called.
func run(t testing.TB, b *broker.Broker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, b.Run(ctx)) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// handled collects what a broker hands to its platform.
type handled chan string

func (h handled) handle(topic string, payload []byte) { h <- topic + " " + string(payload) }

func (h handled) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-h:
		return m
	case <-time.After(patience):
		require.FailNow(t, "nothing was published")
		return ""
	}
}

// client is a paho client with what it received.
type client struct {
	*paho.Client
	connack  *paho.Connack
	received chan *paho.Publish
	gone     chan struct{} // closed when the connection has ended
}

// connect dials and sends a CONNECT for a session of an hour.
func connect(t *testing.T, b *broker.Broker, change func(*paho.Connect)) (*client, error) {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr().String())
	require.NoError(t, err)
	c := &client{received: make(chan *paho.Publish, 4096), gone: make(chan struct{})}
	var once sync.Once
	end := func() { once.Do(func() { close(c.gone) }) }
	c.Client = paho.NewClient(paho.ClientConfig{
		Conn: conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.received <- p.Packet
			return true, nil
		}},
		OnClientError:      func(error) { end() },
		OnServerDisconnect: func(*paho.Disconnect) { end() },
	})
	hour, window := uint32(3600), uint16(64)
	packet := &paho.Connect{
		ClientID:   "gw.one",
		KeepAlive:  60,
		Properties: &paho.ConnectProperties{SessionExpiryInterval: &hour, ReceiveMaximum: &window},
	}
	if change != nil {
		change(packet)
	}
	packet.UsernameFlag, packet.PasswordFlag = packet.Username != "", len(packet.Password) > 0
	t.Cleanup(func() { _ = conn.Close() })
	c.connack, err = c.Connect(context.Background(), packet)
	return c, err
}

// device connects as a client id.
func device(t *testing.T, b *broker.Broker, id string) *client {
	t.Helper()
	c, err := connect(t, b, func(p *paho.Connect) { p.ClientID = id })
	require.NoError(t, err)
	return c
}

// subscribe gives the reason code of one filter.
func (c *client) subscribe(t *testing.T, filter string) byte {
	t.Helper()
	ack, err := c.Subscribe(context.Background(),
		&paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
	if ack == nil {
		require.NoError(t, err)
	}
	return ack.Reasons[0]
}

// publish gives the reason code of one publication.
func (c *client) publish(t *testing.T, topic, payload string) byte {
	t.Helper()
	ack, err := c.Publish(context.Background(), &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(payload)})
	if ack == nil {
		require.NoError(t, err)
	}
	return ack.ReasonCode
}

// next waits for a message.
func (c *client) next(t *testing.T) *paho.Publish {
	t.Helper()
	select {
	case p := <-c.received:
		return p
	case <-time.After(patience):
		require.FailNow(t, "nothing was received")
		return nil
	}
}

// nothing checks that no message comes.
func (c *client) nothing(t *testing.T) {
	t.Helper()
	select {
	case p := <-c.received:
		require.FailNow(t, "received "+p.Topic+" "+string(p.Payload))
	case <-time.After(pause):
	}
}

// ended waits until the connection has ended.
func (c *client) ended(t *testing.T) {
	t.Helper()
	select {
	case <-c.gone:
	case <-c.Done():
	case <-time.After(patience):
		require.FailNow(t, "still connected")
	}
}

// bare is a connection that speaks packets and does nothing by itself.
type bare struct{ net.Conn }

// dialBare connects as a client id with a Receive Maximum.
func dialBare(t testing.TB, b *broker.Broker, id string, window uint16) bare {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := bare{conn}
	packet := packets.NewControlPacket(packets.CONNECT)
	connect := packet.Content.(*packets.Connect)
	hour := uint32(3600)
	connect.ClientID, connect.KeepAlive = id, 60
	connect.Properties.SessionExpiryInterval = &hour
	if window > 0 {
		connect.Properties.ReceiveMaximum = &window
	}
	c.send(t, packet)
	require.Equal(t, byte(0), c.read(t, packets.CONNACK).Content.(*packets.Connack).ReasonCode)
	return c
}

func (c bare) send(t testing.TB, p *packets.ControlPacket) {
	t.Helper()
	_, err := p.WriteTo(c)
	require.NoError(t, err)
}

// read takes the next packet and checks its type.
func (c bare) read(t testing.TB, want byte) *packets.ControlPacket {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	p, err := packets.ReadPacket(c)
	require.NoError(t, err)
	require.Equal(t, want, p.Type, p.String())
	return p
}

// silent checks that nothing comes.
func (c bare) silent(t testing.TB) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(pause)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func (c bare) subscribe(t testing.TB, filter string) {
	t.Helper()
	p := packets.NewControlPacket(packets.SUBSCRIBE)
	p.Content.(*packets.Subscribe).PacketID = 1
	p.Content.(*packets.Subscribe).Subscriptions = []packets.SubOptions{{Topic: filter, QoS: 1}}
	c.send(t, p)
	require.Equal(t, []byte{1}, c.read(t, packets.SUBACK).Content.(*packets.Suback).Reasons)
}

func (c bare) acknowledge(t testing.TB, id uint16) {
	t.Helper()
	p := packets.NewControlPacket(packets.PUBACK)
	p.Content.(*packets.Puback).PacketID = id
	c.send(t, p)
}

// down is a topic to a device of product gw.
func down(device string) string { return fmt.Sprintf("ota/v1/gw/%s/down/plan", device) }

// logged collects a broker's log.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
