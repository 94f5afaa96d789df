package native_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
)

// slowDevice handles what is delivered when it has to.
type slowDevice struct {
	inbox
	waiting chan func()
}

func newSlowDevice() slowDevice { return slowDevice{newInbox(), make(chan func(), 100)} }

func (d slowDevice) config(url string) native.Config {
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
	const plenty = 5 * native.DefaultReceiveMaximum
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
				for <-ended != 0 { // the connection is left; which one the broker sees end first is chance
				}
			} else {
				require.Eventually(t, func() bool { return len(device.waiting) == native.DefaultReceiveMaximum }, patience,
					time.Millisecond)
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

// none is a message that asks for nothing.
func none(qos byte, id uint16, topic string) *packets.Publish {
	return &packets.Publish{QoS: qos, PacketID: id, Topic: topic,
		Payload: []byte(`{"time":"2026-11-23T10:00:00.000Z","reason":"no_plan"}`), Properties: &packets.Properties{}}
}

// What the broker need not count takes no place of what it does: messages of QoS 0,
// as many as there may be, before the subscription or after it.
func TestUncountedMessagesTakeNoPlaces(t *testing.T) {
	for name, early := range map[string]bool{"before the subscription": true, "after it": false} {
		t.Run(name, func(t *testing.T) {
			acknowledged := make(later[uint16], 1)
			send := func(p *peer) {
				for range 100 {
					p.send(none(0, 0, topics+"down/none"))
				}
				for id := range uint16(native.DefaultReceiveMaximum) {
					p.send(none(1, id+1, topics+"down/none"))
				}
			}
			url := serve(t, func(p *peer) {
				p.until(packets.CONNECT)
				p.send(&packets.Connack{Properties: &packets.Properties{}})
				subscribe := p.until(packets.SUBSCRIBE)
				if early {
					send(p)
				}
				p.send(&packets.Suback{PacketID: subscribe.PacketID(), Reasons: []byte{1}, Properties: &packets.Properties{}})
				if !early {
					send(p)
				}
				for range native.DefaultReceiveMaximum {
					if ack := p.until(packets.PUBACK); ack != nil {
						acknowledged <- ack.PacketID()
					}
				}
				p.behave()
			})
			device := newSlowDevice()
			_, stop := start(t, device.config(url))
			defer stop()
			assert.Equal(t, agent.Connected{}, device.next(t))
			const both = 2 * native.DefaultReceiveMaximum
			require.Eventually(t, func() bool { return len(device.waiting) == both }, patience, time.Millisecond)
			for range both {
				(<-device.waiting)()
			}
			for id := range uint16(native.DefaultReceiveMaximum) {
				assert.Equal(t, id+1, acknowledged.wait(t))
			}
		})
	}
}

// Large messages of QoS 0 do not gather, however many come.
func TestUncountedMessagesAreBoundedByBytes(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		for range 6 {
			large := none(0, 0, topics+"down/none")
			large.Payload = append(large.Payload, bytes.Repeat([]byte(" "), ota.MaxPayload-len(large.Payload))...)
			p.send(large)
		}
		p.down(7, topics+"down/none", `{"time":"2026-11-23T10:00:00.000Z","reason":"ended"}`)
		p.behave()
	})
	device := newSlowDevice()
	_, stop := start(t, device.config(url))
	defer stop()
	assert.Equal(t, agent.Connected{}, device.next(t))
	for _, reason := range []ota.NoPlanReason{"no_plan", "ended"} {
		assert.Equal(t, reason, device.next(t).(agent.Received).Message.(*ota.NoPlan).Reason)
	}
}

// A member that handles nothing takes a part of the session's places, and the
// others go on. What is dropped meanwhile, it asks for when it has caught up.
func TestBlockedMemberBlocksNoOther(t *testing.T) {
	const many = 50
	dropped := make(later[int], 1)
	url := serve(t, func(p *peer) {
		subscribed := p.until(packets.CONNECT)
		assert.EqualValues(t, 2*native.DefaultReceiveMaximum,
			*subscribed.Content.(*packets.Connect).Properties.ReceiveMaximum)
		p.send(&packets.Connack{Properties: &packets.Properties{}})
		p.send(&packets.Suback{PacketID: p.until(packets.SUBSCRIBE).PacketID(), Reasons: []byte{1, 1, 1},
			Properties: &packets.Properties{}})
		for id := range uint16(many) {
			p.send(none(1, 2*id+1, "ota/v1/sensor/s-1/down/none"))
			p.send(none(1, 2*id+2, "ota/v1/sensor/s-2/down/none"))
		}
		refused := 0
		for range 2*many - native.DefaultReceiveMaximum/2 {
			if ack := p.until(packets.PUBACK); ack != nil &&
				ack.Content.(*packets.Puback).ReasonCode == packets.PubackQuotaExceeded {
				refused++
			}
		}
		dropped <- refused
		p.behave()
	})
	own, first, second := newInbox(), newInbox(), newInbox()
	cfg := gateway(url, own, first, second)
	waiting := make(chan func(), many)
	cfg.Members[0].After = func(then func()) { waiting <- then }
	_, stop := start(t, cfg)
	defer stop()
	assert.Equal(t, many-native.DefaultReceiveMaximum/2, dropped.wait(t))
	require.Len(t, waiting, native.DefaultReceiveMaximum/2)
	assert.Equal(t, agent.Connected{}, second.next(t))
	for range many {
		assert.IsType(t, agent.Received{}, second.next(t))
	}
	for range native.DefaultReceiveMaximum / 2 {
		(<-waiting)()
	}
	assert.Equal(t, agent.Connected{}, first.next(t))
	for range native.DefaultReceiveMaximum / 2 {
		assert.IsType(t, agent.Received{}, first.next(t))
	}
	assert.Equal(t, agent.CheckRequested{}, first.next(t))
	assert.Empty(t, second)
}

// A device that handles nothing gathers nothing either, however often the broker
// begins anew and sends again what was not acknowledged: after the subscription or
// before it, also on connections that come to nothing.
func TestConnectionsGatherNothing(t *testing.T) {
	const connections = 30
	last := make(later[int], 1)
	large := none(1, 0, topics+"down/none")
	large.Payload = append(large.Payload, bytes.Repeat([]byte(" "), 700_000)...)
	url := serve(t, func(p *peer) {
		p.until(packets.CONNECT)
		p.send(&packets.Connack{Properties: &packets.Properties{}})
		p.until(packets.SUBSCRIBE)
		for id := range uint16(native.DefaultReceiveMaximum) {
			again := *large
			again.PacketID = id + 1
			p.send(&again)
		}
		if p.nth%3 != 0 {
			p.send(&packets.Suback{PacketID: 1, Reasons: []byte{1}, Properties: &packets.Properties{}})
		}
		if p.nth == connections {
			last <- p.nth
			p.behave()
		}
	})
	device := newSlowDevice()
	_, stop := start(t, device.config(url))
	last.wait(t)
	stop()
	most := 9 * ota.MaxPacket / len(large.Payload)
	assert.LessOrEqual(t, len(device.waiting), most)
	messages := 0
	for range len(device.inbox) {
		if _, is := device.next(t).(agent.Received); is {
			messages++
		}
	}
	assert.LessOrEqual(t, messages, most)
	assert.Positive(t, messages)
}
