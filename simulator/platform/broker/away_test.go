package broker_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/broker"
)

// named connects as a client of a name, to a session of an hour.
func named(t *testing.T, b *broker.Broker, id string) *client {
	t.Helper()
	c, err := connect(t, b, func(p *paho.Connect) { p.ClientID, p.CleanStart = id, false })
	require.NoError(t, err)
	return c
}

// TestSessionsOfThoseAwayAreBounded: of sessions whose clients are not connected, the
// ones that have waited longest end.
func TestSessionsOfThoseAwayAreBounded(t *testing.T) {
	b, _ := start(t, broker.Config{MaxAway: 3})
	stays := named(t, b, "gw.stays")
	for n := range 10 {
		c := named(t, b, fmt.Sprintf("gw.d%d", n))
		assert.False(t, c.connack.SessionPresent)
		require.NoError(t, c.Disconnect(&paho.Disconnect{}))
		want := 1 + min(n+1, 3)
		require.Eventually(t, func() bool { return b.Stats().Connections == 1 && b.Stats().Sessions == want }, patience,
			time.Millisecond, "%+v", b.Stats())
	}
	assert.True(t, named(t, b, "gw.d9").connack.SessionPresent)
	assert.True(t, named(t, b, "gw.d7").connack.SessionPresent)
	assert.False(t, named(t, b, "gw.d6").connack.SessionPresent, "its session has ended")
	require.NoError(t, stays.Disconnect(&paho.Disconnect{}))
	require.Eventually(t, func() bool { return b.Stats().Connections == 3 }, patience, time.Millisecond)
	assert.True(t, named(t, b, "gw.stays").connack.SessionPresent)
}

// TestNoSessionWaitsForEver: the broker says how long it keeps a session.
func TestNoSessionWaitsForEver(t *testing.T) {
	b, _ := start(t, broker.Config{})
	ever := uint32(1<<32 - 1)
	c, err := connect(t, b, func(p *paho.Connect) { p.Properties.SessionExpiryInterval = &ever })
	require.NoError(t, err)
	require.NotNil(t, c.connack.Properties.SessionExpiryInterval)
	assert.Equal(t, uint32(7*24*60*60), *c.connack.Properties.SessionExpiryInterval)
}

// TestConnectAndRun: clients that go before they are answered leave no sessions.
func TestConnectAndRun(t *testing.T) {
	b, _ := start(t, broker.Config{})
	for n := range 100 {
		conn, err := net.Dial("tcp", b.Addr().String())
		require.NoError(t, err)
		connect := packets.NewControlPacket(packets.CONNECT)
		content := connect.Content.(*packets.Connect)
		content.ProtocolName, content.ProtocolVersion = "MQTT", 5
		content.ClientID, content.CleanStart = fmt.Sprintf("gw.d%d", n), true
		_, err = connect.WriteTo(conn)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool { return b.Stats() == broker.Stats{} }, patience, time.Millisecond, "%+v", b.Stats())
}
