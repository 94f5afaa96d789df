package native_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
)

// TestStrangeMessages sends what no platform should. The connection stays, and
// every message is acknowledged.
func TestStrangeMessages(t *testing.T) {
	messages := []struct{ topic, payload string }{
		{topics + "down/plan", `{"plan":"p-18","attempt":3,"mode":"loud"}`},
		{topics + "down/plan", `{"plan":`},
		{topics + "down/plan", `[]`},
		{topics + "down/package", strings.Repeat("x", ota.MaxPayload+1)},
		{topics + "down/reboot", `{}`},
		{"ota/v1/gw-200/gw-0002/down/ack", `{"plan":"p-17","seq":1}`},
		{topics + "up/status", `{}`},
		{strings.Repeat("x/", 5000), `{}`},
		{topics + "down/ack", "\xff\xfe\x00"},
		{topics + "down/ack", `{"plan":"p-17","seq":6}`},
	}
	acked := make(later[int], 1)
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		for i, m := range messages {
			p.down(uint16(i+1), m.topic, m.payload)
		}
		for i := range messages {
			if packet := p.until(packets.PUBACK); packet == nil {
				acked <- i
				return
			}
		}
		acked <- len(messages)
		p.behave()
	})
	var log bytes.Buffer
	in, began := newInbox(), time.Now()
	cfg := config(url, in)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	_, stop := start(t, cfg)
	in.next(t)
	bad, ok := in.next(t).(agent.BadPlan)
	require.True(t, ok)
	assert.Equal(t, "p-18", bad.Plan)
	assert.Equal(t, 3, bad.Attempt)
	assert.Contains(t, bad.Detail, "mode")
	assert.LessOrEqual(t, len(bad.Detail), 400)
	assert.Equal(t, agent.Received{Message: &ota.Ack{Plan: "p-17", Seq: 6}}, in.next(t))
	assert.Equal(t, len(messages), acked.wait(t))
	stop()
	assert.LessOrEqual(t, strings.Count(log.String(), "level=WARN"), 1+int(time.Since(began)/time.Second),
		"one a second at most")
}

// misbehaviours are what brokers do on a first connection that none should.
func misbehaviours() map[string]func(*peer) {
	connack := func(properties *packets.Properties) []byte {
		var b bytes.Buffer
		_, _ = (&packets.Connack{Properties: properties}).WriteTo(&b)
		return b.Bytes()
	}
	raw := func(b ...byte) func(*peer) {
		return func(p *peer) {
			p.until(packets.CONNECT)
			_, _ = p.Write(b)
			_ = p.until(packets.DISCONNECT)
		}
	}
	afterWelcome := func(b ...byte) func(*peer) {
		return func(p *peer) {
			p.welcome(&packets.Properties{})
			_, _ = p.Write(b)
			_ = p.until(packets.DISCONNECT)
		}
	}
	none := byte(0)
	return map[string]func(*peer){
		"takes no message": func(p *peer) {
			none := uint16(0)
			p.welcome(&packets.Properties{ReceiveMaximum: &none})
			p.behave()
		},
		"takes no byte": func(p *peer) {
			none := uint32(0)
			p.welcome(&packets.Properties{MaximumPacketSize: &none})
			p.behave()
		},
		"speaks MQTT 3.1.1":               raw(0x20, 2, 0, 1),
		"closes at once":                  func(*peer) {},
		"closes in the middle of CONNECT": func(p *peer) { _, _ = p.Read(make([]byte, 10)) },
		"never answers":                   raw(),
		"answers in part":                 raw(0x20),
		"speaks HTTP":                     raw([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")...),
		"refuses": func(p *peer) {
			p.until(packets.CONNECT)
			p.send(&packets.Connack{ReasonCode: packets.ConnackNotAuthorized,
				Properties: &packets.Properties{ReasonString: "go away"}})
		},
		"starts an authentication":   raw(0xf0, 0x02, 0x18, 0x00),
		"pretends an authentication": raw(connack(&packets.Properties{AuthMethod: "x"})...),
		"knows no QoS 1":             raw(connack(&packets.Properties{MaximumQOS: &none})...),
		"a length that never ends":   raw(0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"a packet of 256 MiB":        raw(0x20, 0xff, 0xff, 0xff, 0x7f),
		"closes before SUBACK": func(p *peer) {
			p.until(packets.CONNECT)
			p.send(&packets.Connack{Properties: &packets.Properties{}})
		},
		"refuses the subscription": refuseSubscription,
		"messages before SUBACK": func(p *peer) {
			p.until(packets.CONNECT)
			p.send(&packets.Connack{Properties: &packets.Properties{}})
			p.down(1, topics+"down/ack", `{}`)
		},
		"a second CONNACK":              afterWelcome(connack(&packets.Properties{})...),
		"PUBREC for nothing":            afterWelcome(0x50, 0x02, 0x00, 0x07),
		"PUBACK for nothing, then ends": afterWelcome(0x40, 0x02, 0x00, 0x07, 0xe0, 0x00),
		"a message with QoS 2":          afterWelcome(0x34, 0x06, 0x00, 0x01, 'a', 0x00, 0x01, 0x00),
		"a message with QoS 3":          afterWelcome(0x36, 0x06, 0x00, 0x01, 'a', 0x00, 0x01, 0x00),
		"property length out of mind":   afterWelcome(0x30, 0x09, 0x00, 0x01, 'a', 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00),
		"half a message":                afterWelcome(0x30, 0x7f, 0x00),
		"DISCONNECT":                    afterWelcome(0xe0, 0x02, 0x8e, 0x00),
		"closes after three reports": func(p *peer) {
			p.welcome(&packets.Properties{})
			p.until(packets.PUBLISH)
			p.until(packets.PUBLISH)
			p.until(packets.PUBLISH)
		},
	}
}

// TestMisbehavingBrokers meets each on its first connection and an ordinary
// broker on the next: the link must come through and connect.
func TestMisbehavingBrokers(t *testing.T) {
	for name, first := range misbehaviours() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, func(p *peer) {
				if p.nth == 0 {
					first(p)
					return
				}
				p.welcome(&packets.Properties{})
				p.behave()
			})
			in := newInbox()
			cfg := config(url, in)
			cfg.ConnectTimeout = 500 * time.Millisecond
			cfg.KeepAlive = time.Second
			var l *native.Session
			var connected atomic.Int32
			cfg.Deliver = func(i agent.Input) {
				if _, ok := i.(agent.Connected); ok && connected.Add(1) == 1 {
					for seq := range 3 {
						l.Send(report(seq + 1))
					}
				}
				in.deliver(i)
			}
			l, err := native.New(cfg)
			require.NoError(t, err)
			run(t, l)
			deadline := time.Now().Add(patience)
			for up := 0; up < 2 && (up == 0 || l.Health().Since.IsZero()); {
				require.True(t, time.Now().Before(deadline))
				if in.next(t) == (agent.Connected{}) {
					up++
				}
			}
		})
	}
}

func refuseSubscription(p *peer) {
	p.until(packets.CONNECT)
	p.send(&packets.Connack{Properties: &packets.Properties{}})
	subscribe := p.until(packets.SUBSCRIBE)
	if subscribe == nil {
		return // it was too slow
	}
	p.send(&packets.Suback{PacketID: subscribe.PacketID(), Reasons: []byte{packets.SubackNotauthorized},
		Properties: &packets.Properties{}})
	_ = p.until(packets.DISCONNECT)
}

// A broker that closes without a word is reported in words, whenever it does.
func TestWhatSilentBrokersMean(t *testing.T) {
	for want, treat := range map[string]func(*peer){
		"cannot log in to the broker: it ends the connection without an answer that MQTT 5 knows: does it speak MQTT 5? " +
			"(EOF)": func(
			p *peer) {
			p.until(packets.CONNECT)
		},
		"cannot subscribe to the device's topics: the broker ends the connection instead of an answer: may the device use " +
			"them? (EOF)": func(
			p *peer) {
			p.until(packets.CONNECT)
			p.send(&packets.Connack{Properties: &packets.Properties{}})
			p.until(packets.SUBSCRIBE)
		},
		// Connected, it would hear nothing of what the device does.
		"cannot log in to the broker: it takes packets of at most 200 bytes, and no report fits: raise its limit": func(
			p *peer) {
			limit := uint32(200)
			p.welcome(&packets.Properties{MaximumPacketSize: &limit})
		},
		"the broker has closed the connection (EOF)": func(p *peer) {
			p.welcome(&packets.Properties{})
		},
	} {
		url := serve(t, func(p *peer) {
			treat(p)
			_ = p.Conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, p)
		})
		l, stop := start(t, config(url, newInbox()))
		require.Eventually(t, func() bool { return l.Health().Trouble == want }, patience, time.Millisecond, want)
		stop()
	}
}
