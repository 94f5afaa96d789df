package link_test

import (
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// slowDevice handles what is delivered when it is told to.
type slowDevice struct {
	inbox
	waiting chan func()
}

func newSlowDevice() slowDevice { return slowDevice{newInbox(), make(chan func(), 100)} }

func (d slowDevice) config(url string) link.Config {
	c := config(url, d.inbox)
	c.After = func(then func()) { d.waiting <- then }
	return c
}

// A message is acknowledged when the device has handled it, and no sooner.
func TestAcknowledgedWhenHandled(t *testing.T) {
	acknowledged := make(chan uint16, 10)
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		p.down(7, topics+"down/none", `{"time":"2026-11-23T10:00:00.000Z","reason":"no_plan"}`)
		if ack := p.until(packets.PUBACK); ack != nil {
			acknowledged <- ack.PacketID()
		}
		p.behave()
	})
	device := newSlowDevice()
	_, stop := start(t, device.config(url))
	defer stop()
	for {
		if _, is := device.next(t).(agent.Received); is {
			break
		}
	}
	handled := <-device.waiting
	select {
	case <-acknowledged:
		assert.Fail(t, "acknowledged before it was handled")
	case <-time.After(50 * time.Millisecond):
	}
	handled()
	assert.EqualValues(t, 7, <-acknowledged)
}

// A broker that sends more than it may is left: the device's memory is not its.
func TestBrokersThatSendAheadOfAcknowledgements(t *testing.T) {
	const plenty = 5 * link.DefaultReceiveMaximum
	for name, qos := range map[string]byte{"QoS 1": 1, "QoS 0": 0} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan int, 10)
			url := serve(t, func(p *peer) {
				p.welcome(&packets.Properties{})
				for id := range uint16(plenty) {
					p.send(&packets.Publish{QoS: qos, PacketID: (id + 1) * uint16(qos), Topic: topics + "down/none",
						Payload: []byte(`{"time":"2026-11-23T10:00:00.000Z","reason":"no_plan"}`), Properties: &packets.Properties{}})
				}
				p.behave()
				ended <- p.nth
			})
			device := newSlowDevice()
			_, stop := start(t, device.config(url))
			if qos == 1 {
				assert.Zero(t, <-ended, "the connection is left")
			} else {
				require.Eventually(t, func() bool { return len(device.waiting) == link.DefaultReceiveMaximum }, patience, time.Millisecond)
			}
			stop()
		})
	}
}

// What lies in the broker from another time is not news.
func TestRetainedMessagesAreIgnored(t *testing.T) {
	asked := make(chan byte, 1)
	url := serve(t, func(p *peer) {
		if p.until(packets.CONNECT) == nil {
			return
		}
		p.send(&packets.Connack{Properties: &packets.Properties{}})
		subscribe := p.until(packets.SUBSCRIBE)
		asked <- subscribe.Content.(*packets.Subscribe).Subscriptions[0].RetainHandling
		p.send(&packets.Suback{PacketID: subscribe.PacketID(), Reasons: []byte{1}, Properties: &packets.Properties{}})
		p.send(&packets.Publish{QoS: 1, PacketID: 1, Retain: true, Topic: topics + "down/none",
			Payload: []byte(`{"time":"2026-11-23T10:00:00.000Z","reason":"no_plan"}`), Properties: &packets.Properties{}})
		p.down(2, topics+"down/none", `{"time":"2026-11-23T10:00:00.000Z","reason":"ended"}`)
		p.behave()
	})
	in := newInbox()
	_, stop := start(t, config(url, in))
	defer stop()
	assert.EqualValues(t, 2, <-asked)
	for {
		if received, is := in.next(t).(agent.Received); is {
			assert.Equal(t, ota.NoPlanReason("ended"), received.Message.(*ota.NoPlan).Reason)
			break
		}
	}
}
