package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/broker"
)

// subscribed leaves a device's session behind, without a connection.
func subscribed(t *testing.T, b *broker.Broker, name string) {
	t.Helper()
	c := device(t, b, "gw."+name)
	require.Equal(t, byte(1), c.subscribe(t, "ota/v1/gw/"+name+"/down/+"))
	require.NoError(t, c.Disconnect(&paho.Disconnect{}))
	require.Eventually(t, func() bool { return b.Stats().Connections == 0 }, patience, time.Millisecond)
}

func TestBacklogComesOnceAndInOrder(t *testing.T) {
	const backlog = 200 // several windows
	b, _ := start(t, broker.Config{})
	subscribed(t, b, "one")
	for i := range backlog {
		require.NoError(t, b.Publish(down("one"), fmt.Append(nil, i), time.Hour))
	}
	c, err := connect(t, b, func(p *paho.Connect) {
		window := uint16(20)
		p.Properties.ReceiveMaximum = &window
	})
	require.NoError(t, err)
	assert.True(t, c.connack.SessionPresent)
	assert.Equal(t, byte(1), c.subscribe(t, "ota/v1/gw/one/down/+"), "subscribing amid the backlog")
	for i := range backlog {
		require.Equal(t, fmt.Sprint(i), string(c.next(t).Payload))
	}
	c.nothing(t)
}

func TestUnacknowledgedIsSentAgain(t *testing.T) {
	b, _ := start(t, broker.Config{})
	c := dialBare(t, b, "gw.one", 0)
	c.subscribe(t, "ota/v1/gw/one/down/+")
	for i := range 4 {
		require.NoError(t, b.Publish(down("one"), fmt.Append(nil, i), 0))
	}
	ids := make([]uint16, 4)
	for i := range ids {
		p := c.read(t, packets.PUBLISH).Content.(*packets.Publish)
		assert.False(t, p.Duplicate)
		ids[i] = p.PacketID
	}
	c.acknowledge(t, ids[1])
	c.send(t, packets.NewControlPacket(packets.PINGREQ))
	c.read(t, packets.PINGRESP) // the acknowledgement has been seen
	require.NoError(t, c.Close())

	c = dialBare(t, b, "gw.one", 0)
	require.NoError(t, b.Publish(down("one"), []byte("4"), 0))
	for _, want := range []struct {
		payload string
		id      uint16
	}{{"0", ids[0]}, {"2", ids[2]}, {"3", ids[3]}} {
		p := c.read(t, packets.PUBLISH).Content.(*packets.Publish)
		assert.Equal(t, want.payload, string(p.Payload))
		assert.Equal(t, want.id, p.PacketID, "the packet id is kept")
		assert.True(t, p.Duplicate)
	}
	p := c.read(t, packets.PUBLISH).Content.(*packets.Publish)
	assert.Equal(t, "4", string(p.Payload))
	assert.NotContains(t, ids, p.PacketID)
	assert.False(t, p.Duplicate)
}

func TestReceiveMaximum(t *testing.T) {
	b, _ := start(t, broker.Config{})
	c := dialBare(t, b, "gw.one", 2)
	c.subscribe(t, "ota/v1/gw/one/down/+")
	for i := range 5 {
		require.NoError(t, b.Publish(down("one"), fmt.Append(nil, i), 0))
	}
	first := c.read(t, packets.PUBLISH).Content.(*packets.Publish)
	c.read(t, packets.PUBLISH)
	c.silent(t)
	c.acknowledge(t, first.PacketID)
	third := c.read(t, packets.PUBLISH).Content.(*packets.Publish)
	assert.Equal(t, "2", string(third.Payload))
	c.silent(t)
}

func TestExpiredMessagesAreNotDelivered(t *testing.T) {
	b, _ := start(t, broker.Config{})
	subscribed(t, b, "one")
	require.NoError(t, b.Publish(down("one"), []byte("short"), 50*time.Millisecond))
	require.NoError(t, b.Publish(down("one"), []byte("long"), time.Hour))
	time.Sleep(100 * time.Millisecond)
	c := device(t, b, "gw.one")
	got := c.next(t)
	assert.Equal(t, "long", string(got.Payload))
	assert.InDelta(t, 3600, int(*got.Properties.MessageExpiry), 60)
	c.nothing(t)
}

func TestExpiredMessagesMakeRoom(t *testing.T) {
	b, _ := start(t, broker.Config{})
	subscribed(t, b, "one")
	for range 3 {
		require.NoError(t, b.Publish(down("one"), make([]byte, 1<<20), 10*time.Millisecond))
	}
	require.NoError(t, b.Publish(down("one"), make([]byte, 1<<19), time.Hour))
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, b.Publish(down("one"), make([]byte, 1<<20), time.Hour))
	assert.Zero(t, b.Stats().Dropped)
	c := device(t, b, "gw.one")
	assert.Len(t, c.next(t).Payload, 1<<19)
	assert.Len(t, c.next(t).Payload, 1<<20)
}

func TestSessionsEnd(t *testing.T) {
	b, _ := start(t, broker.Config{})
	for name, change := range map[string]func(*paho.Connect){
		"clean start":       func(p *paho.Connect) { p.CleanStart = true },
		"no session expiry": func(p *paho.Connect) { p.Properties.SessionExpiryInterval = new(uint32) },
		"one second's expiry": func(p *paho.Connect) {
			p.Properties.SessionExpiryInterval = new(uint32)
			*p.Properties.SessionExpiryInterval = 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			subscribed(t, b, "one")
			require.NoError(t, b.Publish(down("one"), []byte("old"), 0))
			c, err := connect(t, b, change)
			require.NoError(t, err)
			if c.connack.SessionPresent {
				c.next(t)
				require.NoError(t, c.Disconnect(&paho.Disconnect{}))
				require.Eventually(t, func() bool { return b.Stats().Sessions == 0 }, patience, 10*time.Millisecond)
				require.NoError(t, b.Publish(down("one"), []byte("lost"), 0))
				c = device(t, b, "gw.one")
				assert.False(t, c.connack.SessionPresent)
			}
			require.Equal(t, byte(1), c.subscribe(t, "ota/v1/gw/one/down/+"))
			c.nothing(t)
			require.NoError(t, b.Publish(down("one"), []byte("new"), 0))
			assert.Equal(t, "new", string(c.next(t).Payload))
			require.NoError(t, c.Disconnect(&paho.Disconnect{}))
		})
	}
}

func TestUnsubscribe(t *testing.T) {
	b, _ := start(t, broker.Config{})
	c := device(t, b, "gw.one")
	c.subscribe(t, "ota/v1/gw/one/down/+")
	_, err := c.Unsubscribe(context.Background(), &paho.Unsubscribe{Topics: []string{"ota/v1/gw/one/down/+"}})
	require.NoError(t, err)
	require.NoError(t, b.Publish(down("one"), []byte("x"), 0))
	c.nothing(t)
}

func TestSlowConsumerHoldsNoOtherUp(t *testing.T) {
	b, _ := start(t, broker.Config{})
	slow := dialBare(t, b, "gw.slow", 0) // never reads again
	slow.subscribe(t, "ota/v1/gw/slow/down/+")
	quick := device(t, b, "gw.quick")
	quick.subscribe(t, "ota/v1/gw/quick/down/+")

	big := bytes.Repeat([]byte{'x'}, 1<<20)
	for range 32 { // far more than sockets buffer, and more than a session keeps
		require.NoError(t, b.Publish(down("slow"), big, 0))
	}
	for i := range 100 {
		require.NoError(t, b.Publish(down("quick"), fmt.Append(nil, i), 0))
		require.Equal(t, fmt.Sprint(i), string(quick.next(t).Payload))
	}
	assert.Positive(t, b.Stats().Dropped, "the backlog is bounded")

	again := dialBare(t, b, "gw.slow", 0) // takes the session over though the old connection is stuck
	p := again.read(t, packets.PUBLISH).Content.(*packets.Publish)
	assert.Len(t, p.Payload, len(big))
}

func TestClientsPacketLimit(t *testing.T) {
	b, _ := start(t, broker.Config{})
	c, err := connect(t, b, func(p *paho.Connect) {
		size, window := uint32(1000), uint16(1)
		p.Properties.MaximumPacketSize, p.Properties.ReceiveMaximum = &size, &window
	})
	require.NoError(t, err)
	c.subscribe(t, "ota/v1/gw/one/down/+")
	require.NoError(t, b.Publish(down("one"), make([]byte, 2000), 0))
	require.NoError(t, b.Publish(down("one"), []byte("small"), 0))
	assert.Equal(t, "small", string(c.next(t).Payload), "what the client cannot take does not block it")
}

func TestPlatformInAnotherProcess(t *testing.T) {
	b, _ := start(t, broker.Config{PlatformUser: "platform", PlatformPassword: "secret"})
	platform := func(id string) *client {
		c, err := connect(t, b,
			func(p *paho.Connect) { p.ClientID, p.Username, p.Password = id, "platform", []byte("secret") })
		require.NoError(t, err)
		return c
	}
	all, east, west := platform("all"), platform("east"), platform("west")
	all.subscribe(t, "ota/v1/+/+/up/+")
	east.subscribe(t, "$share/g/ota/v1/+/+/up/#")
	west.subscribe(t, "$share/g/ota/v1/+/+/up/#")
	one := device(t, b, "gw.one")
	one.subscribe(t, "ota/v1/gw/one/down/+")

	const reports = 2000 // more than any queue of mochi's would hold
	for i := range reports {
		require.Equal(t, byte(0), one.publish(t, "ota/v1/gw/one/up/status", fmt.Sprint(i)))
	}
	for i := range reports {
		require.Equal(t, fmt.Sprint(i), string(all.next(t).Payload))
	}
	require.Eventually(t, func() bool { return len(east.received)+len(west.received) == reports }, patience,
		time.Millisecond)
	assert.Len(t, east.received, reports/2)

	expiry := uint32(30)
	_, err := all.Publish(context.Background(), &paho.Publish{Topic: down("one"), QoS: 1, Payload: []byte("plan"),
		Properties: &paho.PublishProperties{MessageExpiry: &expiry, ContentType: "text/plain"}})
	require.NoError(t, err)
	got := one.next(t)
	assert.Equal(t, "plan", string(got.Payload))
	assert.Equal(t, "text/plain", got.Properties.ContentType)
	assert.InDelta(t, 30, int(*got.Properties.MessageExpiry), 10)
}
