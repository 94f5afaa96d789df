package native_test

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
)

// gated lets writes through one by one, once it is closed.
type gated struct {
	net.Conn
	closed *atomic.Bool
	writes chan []byte
	pass   chan struct{}
}

func (g *gated) Write(p []byte) (int, error) {
	if g.closed.Load() {
		g.writes <- bytes.Clone(p)
		<-g.pass
	}
	return g.Conn.Write(p)
}

// TestAcknowledgementsLeaveWithMessages: of what happens while something is written, the
// messages and the acknowledgements leave in one write.
func TestAcknowledgementsLeaveWithMessages(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		p.until(packets.PUBLISH)
		p.down(5, topics+"down/ack", `{"plan":"p-17","seq":1}`)
		p.behave()
	})
	var closed atomic.Bool
	writes, pass, handled := make(chan []byte, 10), make(chan struct{}), make(chan func(), 1)
	to := newInbox()
	cfg := config(url, to)
	cfg.After = func(then func()) { handled <- then }
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &gated{conn, &closed, writes, pass}, err
	}
	l, _ := start(t, cfg)
	require.IsType(t, agent.Connected{}, to.next(t))

	closed.Store(true)
	l.Send(report(1))
	<-writes
	pass <- struct{}{} // the broker answers it
	require.IsType(t, agent.Received{}, to.next(t))
	l.Send(report(2))
	<-writes // is being written
	l.Send(report(3))
	(<-handled)()
	pass <- struct{}{}
	last := <-writes
	closed.Store(false)
	pass <- struct{}{}

	in := bytes.NewReader(last)
	first, err := packets.ReadPacket(in)
	require.NoError(t, err)
	assert.EqualValues(t, packets.PUBLISH, first.Type)
	second, err := packets.ReadPacket(in)
	require.NoError(t, err)
	assert.EqualValues(t, packets.PUBACK, second.Type)
	assert.EqualValues(t, 5, second.PacketID())
	assert.Zero(t, in.Len())
}

// TestAcknowledgementWhileASenderWaits: what waits for the broker holds no
// acknowledgement back, for which the broker may wait.
func TestAcknowledgementWhileASenderWaits(t *testing.T) {
	acknowledged := make(later[uint16], 1)
	one := uint16(1)
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{ReceiveMaximum: &one})
		first := p.until(packets.PUBLISH)
		p.down(9, topics+"down/ack", `{"plan":"p-17","seq":1}`)
		acknowledged <- p.until(packets.PUBACK).PacketID()
		p.acknowledge(first.Content.(*packets.Publish))
		p.behave()
	})
	to := newInbox()
	handled := make(chan func(), 1)
	cfg := config(url, to)
	cfg.After = func(then func()) { handled <- then }
	l, _ := start(t, cfg)
	require.IsType(t, agent.Connected{}, to.next(t))
	l.Send(report(1))
	l.Send(report(2))
	require.IsType(t, agent.Received{}, to.next(t))
	(<-handled)()
	assert.EqualValues(t, 9, acknowledged.wait(t))
}
