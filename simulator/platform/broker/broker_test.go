package broker_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/address"
	"otafleet/simulator/platform/broker"
)

func TestDialogue(t *testing.T) {
	var b *broker.Broker
	b, err := broker.New(broker.Config{Handle: func(topic string, payload []byte) {
		answer := strings.Replace(topic, "/up/inventory", "/down/plan", 1)
		assert.NoError(t, b.Publish(answer, append([]byte("for "), payload...), time.Minute))
	}})
	require.NoError(t, err)
	run(t, b)
	c := device(t, b, "gw.one")
	require.Equal(t, byte(1), c.subscribe(t, "ota/v1/gw/one/down/+"))
	require.Equal(t, byte(0), c.publish(t, "ota/v1/gw/one/up/inventory", "1.0"))
	got := c.next(t)
	assert.Equal(t, "for 1.0", string(got.Payload))
	assert.Equal(t, byte(1), got.QoS)
	assert.Equal(t, "application/json", got.Properties.ContentType)
	assert.InDelta(t, 60, int(*got.Properties.MessageExpiry), 15)
	assert.Equal(t, uint32(1<<20+4<<10), *c.connack.Properties.MaximumPacketSize)
	assert.Equal(t, "mqtt://"+b.Addr().String(), b.URL())
}

func TestWill(t *testing.T) {
	seen := make(handled, 4)
	b, _ := start(t, broker.Config{Handle: seen.handle})
	will := func(p *paho.Connect) {
		p.WillMessage = &paho.WillMessage{Topic: "ota/v1/gw/one/up/offline", Payload: []byte("{}"), QoS: 1}
	}
	_, err := connect(t, b, will)
	require.NoError(t, err)
	require.True(t, b.Kick("gw.one"))
	assert.Equal(t, "ota/v1/gw/one/up/offline {}", seen.next(t))

	c, err := connect(t, b, will)
	require.NoError(t, err)
	require.NoError(t, c.Disconnect(&paho.Disconnect{}))
	time.Sleep(pause)
	assert.Empty(t, seen, "a goodbye cancels the will")
}

func TestKick(t *testing.T) {
	b, _ := start(t, broker.Config{})
	c := device(t, b, "gw.one")
	c.subscribe(t, "ota/v1/gw/one/down/+")
	assert.False(t, b.Kick("gw.two"))
	assert.True(t, b.Kick("gw.one"))
	c.ended(t)
	require.Eventually(t, func() bool { return b.Stats() == broker.Stats{Sessions: 1} }, patience, time.Millisecond)
	assert.False(t, b.Kick("gw.one"))
	require.NoError(t, b.Publish(down("one"), []byte("later"), 0))

	c = device(t, b, "gw.one")
	assert.True(t, c.connack.SessionPresent)
	assert.Equal(t, "later", string(c.next(t).Payload))
}

// TestTakenOver: a client whose session another one takes hears so, and finds it again.
func TestTakenOver(t *testing.T) {
	b, _ := start(t, broker.Config{})
	c := device(t, b, "gw.one")
	c.subscribe(t, "ota/v1/gw/one/down/+")
	assert.False(t, b.TakeOver("gw.two"))
	assert.True(t, b.TakeOver("gw.one"))
	c.ended(t)
	require.Eventually(t, func() bool { return b.Stats() == broker.Stats{Sessions: 1} }, patience, time.Millisecond)
	assert.False(t, b.TakeOver("gw.one"))
	assert.True(t, device(t, b, "gw.one").connack.SessionPresent)
}

func TestTakeOver(t *testing.T) {
	seen := make(handled, 16)
	b, _ := start(t, broker.Config{Handle: seen.handle})
	will := func(p *paho.Connect) {
		p.WillMessage = &paho.WillMessage{Topic: "ota/v1/gw/one/up/offline", Payload: []byte("{}"), QoS: 1}
	}
	first, err := connect(t, b, will)
	require.NoError(t, err)
	first.subscribe(t, "ota/v1/gw/one/down/+")
	for range 10 {
		second, err := connect(t, b, will)
		require.NoError(t, err)
		assert.True(t, second.connack.SessionPresent)
		first.ended(t)
		second.publish(t, "ota/v1/gw/one/up/inventory", "")
		assert.Contains(t, seen.next(t), "offline", "the old connection's will comes first")
		assert.Contains(t, seen.next(t), "inventory")
		require.NoError(t, b.Publish(down("one"), []byte("x"), 0))
		assert.Equal(t, "x", string(second.next(t).Payload))
		first = second
	}
}

// TestConnectionsAtOnce of one client: each either is sent what there is for the
// client, or ends. None stays up and deaf.
func TestConnectionsAtOnce(t *testing.T) {
	b, _ := start(t, broker.Config{})
	first := device(t, b, "gw.one")
	first.subscribe(t, "ota/v1/gw/one/down/+")
	for range 100 {
		ends := make(chan error, 8)
		for range cap(ends) {
			go func() { ends <- heard(b, "gw.one") }()
		}
		for open := cap(ends); open > 0; {
			require.NoError(t, b.Publish(down("one"), []byte("x"), 0))
			select {
			case err := <-ends:
				require.NoError(t, err)
				open--
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// heard connects as a client, and ends well when a message comes or the connection
// ends.
func heard(b *broker.Broker, id string) error {
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	packet := packets.NewControlPacket(packets.CONNECT)
	connect, hour := packet.Content.(*packets.Connect), uint32(3600)
	connect.ClientID, connect.KeepAlive, connect.Properties.SessionExpiryInterval = id, 60, &hour
	if _, err := packet.WriteTo(conn); err != nil {
		return nil // it has ended
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		p, err := packets.ReadPacket(conn)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errors.New("the connection is up and deaf")
		case err != nil:
			return nil
		case p.Type == packets.PUBLISH:
			return nil
		}
	}
}

func TestOversizedPacketEndsTheConnection(t *testing.T) {
	seen := make(handled, 4)
	b, _ := start(t, broker.Config{Handle: seen.handle})
	c := dialBare(t, b, "gw.one", 0)
	p := packets.NewControlPacket(packets.PUBLISH)
	p.Content.(*packets.Publish).Topic = "ota/v1/gw/one/up/status"
	p.Content.(*packets.Publish).Payload = bytes.Repeat([]byte{'x'}, 1<<20)
	c.send(t, p)
	assert.Len(t, seen.next(t), 1<<20+len("ota/v1/gw/one/up/status "))

	p.Content.(*packets.Publish).Payload = bytes.Repeat([]byte{'x'}, 1<<20+8<<10)
	_, _ = p.WriteTo(c) // the broker may hang up before the end
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	_, err := packets.ReadPacket(c)
	require.Error(t, err)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "still connected")
	assert.Empty(t, seen)
}

func TestOldProtocolIsRefused(t *testing.T) {
	b, _ := start(t, broker.Config{})
	conn, err := net.Dial("tcp", b.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06gw.one"))
	require.NoError(t, err)
	answer := make([]byte, 16)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	n, err := conn.Read(answer)
	require.NoError(t, err)
	assert.Equal(t, []byte{0x20, 2, 0, 1}, answer[:n])
}

func TestKillAndRebind(t *testing.T) {
	before := runtime.NumGoroutine()
	kept, err := address.Keep("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(kept.Release)
	b, stop := start(t, broker.Config{Address: kept.String()})
	for round := range 3 {
		clients := make([]*client, 20)
		for i := range clients {
			clients[i] = device(t, b, fmt.Sprintf("gw.d%d", i))
			assert.False(t, clients[i].connack.SessionPresent, "a killed broker forgets")
			clients[i].subscribe(t, fmt.Sprintf("ota/v1/gw/d%d/down/+", i))
		}
		stop()
		for _, c := range clients {
			c.ended(t)
		}
		_, err := net.DialTimeout("tcp", kept.String(), time.Second)
		require.Error(t, err)
		if round < 2 {
			b, stop = start(t, broker.Config{Address: kept.String()})
			require.Equal(t, kept.String(), b.Addr().String())
		}
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestCloseBeforeRun(t *testing.T) {
	b, err := broker.New(broker.Config{})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	require.NoError(t, b.Run(context.Background()))
	require.NoError(t, b.Publish(down("one"), nil, 0), "a late publication is dropped")
}

func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	b, stop := start(t, broker.Config{TLS: &tls.Config{Certificates: web.TLS.Certificates}})
	assert.True(t, strings.HasPrefix(b.URL(), "mqtts://"))
	roots := web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	conn, err := tls.Dial("tcp", b.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "example.com"})
	require.NoError(t, err)
	c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn)})
	_, err = c.Connect(context.Background(), &paho.Connect{ClientID: "gw.one", KeepAlive: 60})
	require.NoError(t, err)
	stop()
	select {
	case <-c.Done():
	case <-time.After(patience):
		assert.Fail(t, "still connected")
	}
}
