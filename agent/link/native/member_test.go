package native_test

import (
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
)

// gateway is the configuration of a gateway with two sub-devices.
func gateway(url string, own, first, second inbox) native.Config {
	cfg := config(url, own)
	cfg.Members = []link.Device{
		{Identity: ota.Identity{Product: "sensor", Device: "s-1"}, Deliver: first.deliver},
		{Identity: ota.Identity{Product: "sensor", Device: "s-2"}, Deliver: second.deliver},
	}
	return cfg
}

// TestMembers: one session subscribes to, hears and speaks for all, each under
// its own name.
func TestMembers(t *testing.T) {
	filters, published := make(later[[]packets.SubOptions], 1), make(later[[]*packets.Publish], 1)
	url := serve(t, func(p *peer) {
		require.NotNil(t, p.until(packets.CONNECT))
		p.send(&packets.Connack{Properties: &packets.Properties{}})
		asked := p.until(packets.SUBSCRIBE).Content.(*packets.Subscribe)
		filters <- asked.Subscriptions
		p.send(&packets.Suback{PacketID: asked.PacketID, Reasons: []byte{1, 1, 1}, Properties: &packets.Properties{}})
		p.down(7, "ota/v1/sensor/s-2/down/ack", `{"plan":"p-17","seq":5}`)
		p.down(8, "ota/v1/sensor/s-3/down/ack", `{"plan":"p-17","seq":6}`)
		p.down(9, topics+"down/ack", `{"plan":"p-17","seq":7}`)
		published <- p.behave()
	})
	own, first, second := newInbox(), newInbox(), newInbox()
	l, stop := start(t, gateway(url, own, first, second))
	for _, in := range []inbox{own, first, second} {
		assert.Equal(t, agent.Connected{}, in.next(t))
	}
	assert.Equal(t, agent.Received{Message: &ota.Ack{Plan: "p-17", Seq: 5}}, second.next(t))
	assert.Equal(t, agent.Received{Message: &ota.Ack{Plan: "p-17", Seq: 7}}, own.next(t), "an unknown device's is dropped")
	var names []string
	for _, f := range filters.wait(t) {
		names = append(names, f.Topic)
	}
	assert.Equal(t, []string{topics + "down/+", "ota/v1/sensor/s-1/down/+", "ota/v1/sensor/s-2/down/+"}, names)

	l.Member(1).Send(report(1))
	l.Send(report(1))
	l.Member(0).Send(report(2))
	stop()
	for _, in := range []inbox{own, first, second} {
		assert.Equal(t, agent.Disconnected{}, in.next(t))
	}
	assertTopics(t, []string{
		"ota/v1/sensor/s-2/up/status", topics + "up/status", "ota/v1/sensor/s-1/up/status",
		"ota/v1/sensor/s-1/up/offline", "ota/v1/sensor/s-2/up/offline", topics + "up/offline",
	}, published.wait(t))
}

// TestMemberIsNotAllowed: a member for which the gateway may not speak hears and
// says nothing, and the others do not notice.
func TestMemberIsNotAllowed(t *testing.T) {
	published := make(later[[]*packets.Publish], 1)
	url := serve(t, func(p *peer) {
		p.until(packets.CONNECT)
		p.send(&packets.Connack{Properties: &packets.Properties{}})
		subscribe := p.until(packets.SUBSCRIBE)
		if subscribe == nil {
			return // the test is over
		}
		p.send(&packets.Suback{PacketID: subscribe.PacketID(), Reasons: []byte{1, 0x87, 1},
			Properties: &packets.Properties{}})
		published <- p.behave()
	})
	own, first, second := newInbox(), newInbox(), newInbox()
	l, stop := start(t, gateway(url, own, first, second))
	for _, in := range []inbox{own, second} {
		assert.Equal(t, agent.Connected{}, in.next(t))
	}
	l.Member(1).Send(report(1))
	stop()
	for _, in := range []inbox{own, second} {
		assert.Equal(t, agent.Disconnected{}, in.next(t))
	}
	assertTopics(t, []string{"ota/v1/sensor/s-2/up/status", "ota/v1/sensor/s-2/up/offline", topics + "up/offline"},
		published.wait(t))
	assert.Empty(t, first)
}

func TestBadMembers(t *testing.T) {
	cfg := gateway("mqtt://127.0.0.1", newInbox(), newInbox(), newInbox())
	cfg.Members[0].Identity = cfg.Identity
	cfg.Members[1] = link.Device{Identity: ota.Identity{Product: "a/b", Device: "c"}}
	err := cfg.Validate()
	require.ErrorContains(t, err, `member "gw-0001" of product "gw-200" is spoken for twice`)
	require.ErrorContains(t, err, `member "c" of product "a/b": both must be`)
	require.ErrorContains(t, err, `member "c" of product "a/b" has no device to deliver to`)
	cfg.Members = make([]link.Device, link.MaxMembers+1)
	require.ErrorContains(t, cfg.Validate(), "speaks for 1001 other devices")
}
