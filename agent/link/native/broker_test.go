package native_test

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
)

const (
	patience = 2 * time.Minute
	topics   = "ota/v1/gw-200/gw-0001/"
)

var identity = ota.Identity{Product: "gw-200", Device: "gw-0001"}

// peer is the broker's end of one connection.
type peer struct {
	net.Conn
	nth int // connection of the test, from 0
}

// read gives the next packet, nil when the connection has ended.
func (p *peer) read() *packets.ControlPacket {
	packet, err := packets.ReadPacket(p)
	if err != nil {
		return nil
	}
	return packet
}

// until reads up to a packet of a type.
func (p *peer) until(kind byte) *packets.ControlPacket {
	for {
		if packet := p.read(); packet == nil || packet.Type == kind {
			return packet
		}
	}
}

// send writes a packet. A client that has gone away is no matter.
func (p *peer) send(packet io.WriterTo) { _, _ = packet.WriteTo(p) }

// welcome answers CONNECT and SUBSCRIBE and gives the first.
func (p *peer) welcome(properties *packets.Properties) *packets.Connect {
	connect := p.until(packets.CONNECT)
	if connect == nil {
		return nil
	}
	p.send(&packets.Connack{Properties: properties})
	subscribe := p.until(packets.SUBSCRIBE)
	if subscribe == nil {
		return nil
	}
	p.send(&packets.Suback{PacketID: subscribe.PacketID(), Reasons: []byte{1}, Properties: &packets.Properties{}})
	return connect.Content.(*packets.Connect)
}

// down sends a message of the platform.
func (p *peer) down(id uint16, topic, payload string) {
	p.send(&packets.Publish{QoS: 1, PacketID: id, Topic: topic, Payload: []byte(payload),
		Properties: &packets.Properties{}})
}

func (p *peer) acknowledge(publish *packets.Publish) {
	if publish.QoS == 1 {
		p.send(&packets.Puback{PacketID: publish.PacketID, Properties: &packets.Properties{}})
	}
}

// behave is an ordinary broker from here on: it acknowledges and answers pings
// until the connection ends. It gives what was published.
func (p *peer) behave() (published []*packets.Publish) {
	for {
		packet := p.read()
		if packet == nil {
			return published
		}
		switch content := packet.Content.(type) {
		case *packets.Publish:
			published = append(published, content)
			p.acknowledge(content)
		case *packets.Pingreq:
			p.send(&packets.Pingresp{})
		}
	}
}

// serve runs a broker that treats each connection as told, and gives its URL.
func serve(t *testing.T, treat func(p *peer)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var served sync.WaitGroup
	served.Go(func() {
		for nth := 0; ; nth++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer func() { _ = conn.Close() }()
				treat(&peer{Conn: conn, nth: nth})
			})
		}
	})
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		served.Wait()
	})
	return "mqtt://" + listener.Addr().String()
}

// inbox is where the link delivers to.
type inbox chan agent.Input

func newInbox() inbox { return make(inbox, 10_000) }

func (i inbox) deliver(in agent.Input) { i <- in }

func (i inbox) next(t *testing.T) agent.Input {
	t.Helper()
	select {
	case in := <-i:
		return in
	case <-time.After(patience):
		require.FailNow(t, "nothing was delivered")
		return nil
	}
}

// config is one that reconnects fast.
func config(url string, to inbox) native.Config {
	return native.Config{
		Identity: identity, URLs: []string{url}, Deliver: to.deliver,
		FirstDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond, GoodbyeTimeout: patience,
	}
}

// start runs a link until the test ends, or stop is called before.
func start(t *testing.T, cfg native.Config) (l *native.Session, stop func()) {
	t.Helper()
	l, err := native.New(cfg)
	require.NoError(t, err)
	return l, run(t, l)
}

// always gives the same settings for each connection.
func always(c *tls.Config) func() (*tls.Config, error) {
	return func() (*tls.Config, error) { return c, nil }
}

// later is a value that another goroutine of the test gives.
type later[T any] chan T

func (l later[T]) wait(t *testing.T) T {
	t.Helper()
	select {
	case v := <-l:
		return v
	case <-time.After(patience):
		require.FailNow(t, "the broker did not see it")
		panic("unreachable")
	}
}

func report(seq int) *ota.Report {
	return &ota.Report{
		Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Plan: "p-17", Attempt: 1, Seq: seq,
		Component: "rootfs", Status: ota.Downloading, Version: "1.0.0",
	}
}

func progress() *ota.Progress {
	return &ota.Progress{Time: time.Now(), Plan: "p-17", Component: "rootfs", Phase: ota.PhaseDownloading, Done: 1,
		Total: 2}
}

func assertTopics(t *testing.T, want []string, published []*packets.Publish) {
	t.Helper()
	var got []string
	for _, p := range published {
		got = append(got, p.Topic)
	}
	assert.Equal(t, want, got)
}
