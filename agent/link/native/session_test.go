package native_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/agent/link/native"
	"otafleet/internal/address"
	"otafleet/internal/ota"
)

// run starts Run and gives what ends it and waits for it.
func run(t *testing.T, l *native.Session) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

func TestSession(t *testing.T) {
	connects, published := make(later[*packets.Connect], 1), make(later[[]*packets.Publish], 1)
	acked := make(later[uint16], 1)
	url := serve(t, func(p *peer) {
		connects <- p.welcome(&packets.Properties{})
		p.down(7, topics+"down/ack", `{"plan":"p-17","seq":5}`)
		acked <- p.until(packets.PUBACK).PacketID()
		published <- p.behave()
	})
	in := newInbox()
	cfg := config(url, in)
	cfg.Username, cfg.Password = "gw-0001", func() ([]byte, error) { return []byte("secret"), nil }
	l, stop := start(t, cfg)

	assert.Equal(t, agent.Connected{}, in.next(t))
	assert.Equal(t, agent.Received{Message: &ota.Ack{Plan: "p-17", Seq: 5}}, in.next(t))
	assert.EqualValues(t, 7, acked.wait(t))
	assert.WithinDuration(t, time.Now(), l.Health().Since, patience)
	assert.Empty(t, l.Health().Trouble)
	for seq := range 3 {
		l.Send(report(seq + 1))
	}
	l.Send(progress())
	stop()
	assert.Equal(t, agent.Disconnected{}, in.next(t))
	assert.Zero(t, l.Health().Since)

	c := connects.wait(t)
	assert.Equal(t, "gw-200.gw-0001", c.ClientID)
	assert.Equal(t, "gw-0001", c.Username)
	assert.Equal(t, []byte("secret"), c.Password)
	assert.False(t, c.CleanStart)
	assert.EqualValues(t, 60, c.KeepAlive)
	assert.EqualValues(t, 86400, *c.Properties.SessionExpiryInterval)
	assert.EqualValues(t, 8, *c.Properties.ReceiveMaximum)
	assert.EqualValues(t, 1<<20+4<<10, *c.Properties.MaximumPacketSize)
	assert.Equal(t, topics+"up/offline", c.WillTopic)
	assert.Equal(t, "{}", string(c.WillMessage))
	assert.EqualValues(t, 1, c.WillQOS)

	sent := published.wait(t)
	assertTopics(t, []string{topics + "up/status", topics + "up/status", topics + "up/status", topics + "up/progress",
		topics + "up/offline"}, sent)
	for i, p := range sent {
		assert.Equal(t, "application/json", p.Properties.ContentType)
		assert.Equal(t, i != 3, p.QoS == 1, "only progress may be lost")
	}
	assert.Contains(t, string(sent[1].Payload), `"seq":2`)
}

func TestGoodbye(t *testing.T) {
	for name, test := range map[string]struct {
		cause   error
		goodbye bool
	}{"ordinary end": {context.Canceled, true}, "power cut": {link.ErrAbrupt, false}} {
		t.Run(name, func(t *testing.T) {
			disconnected := make(later[bool], 1)
			url := serve(t, func(p *peer) {
				p.welcome(&packets.Properties{})
				for {
					packet := p.read()
					if packet == nil || packet.Type == packets.DISCONNECT {
						disconnected <- packet != nil
						return
					}
					if publish, ok := packet.Content.(*packets.Publish); ok {
						p.acknowledge(publish)
					}
				}
			})
			in := newInbox()
			l, err := native.New(config(url, in))
			require.NoError(t, err)
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(later[error], 1)
			go func() { ended <- l.Run(ctx) }()
			require.Equal(t, agent.Connected{}, in.next(t))
			cancel(test.cause)
			assert.NoError(t, ended.wait(t))
			assert.Equal(t, test.goodbye, disconnected.wait(t))
		})
	}
}

// TestGoodbyeIsBounded says goodbye to a broker that answers nothing more.
func TestGoodbyeIsBounded(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		for p.read() != nil {
		}
	})
	in := newInbox()
	cfg := config(url, in)
	cfg.GoodbyeTimeout = 100 * time.Millisecond
	l, stop := start(t, cfg)
	in.next(t)
	l.Send(report(1))
	stop()
	assert.Equal(t, agent.Disconnected{}, in.next(t))
}

// TestMessagesDuringGoodbye leaves with the broker what comes too late.
func TestMessagesDuringGoodbye(t *testing.T) {
	acked := make(later[bool], 1)
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		offline := p.until(packets.PUBLISH).Content.(*packets.Publish)
		p.down(7, topics+"down/ack", `{"plan":"p-17","seq":5}`)
		p.acknowledge(offline)
		acked <- p.until(packets.PUBACK) != nil
	})
	in := newInbox()
	_, stop := start(t, config(url, in))
	in.next(t)
	stop()
	assert.Equal(t, agent.Disconnected{}, in.next(t))
	assert.Empty(t, in)
	assert.False(t, acked.wait(t))
}

func TestReceiveMaximumOfTheBroker(t *testing.T) {
	few := uint16(2)
	early, rest := make(later[int], 1), make(later[[]*packets.Publish], 1)
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{ReceiveMaximum: &few})
		first := []*packets.Publish{p.until(packets.PUBLISH).Content.(*packets.Publish),
			p.until(packets.PUBLISH).Content.(*packets.Publish)}
		// A third one would be there at once. That none comes can only be
		// waited for.
		_ = p.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if p.read() == nil {
			early <- len(first)
		} else {
			early <- len(first) + 1
		}
		_ = p.SetReadDeadline(time.Time{})
		for _, publish := range first {
			p.acknowledge(publish)
		}
		rest <- p.behave()
	})
	in := newInbox()
	l, stop := start(t, config(url, in))
	in.next(t)
	for seq := range 20 {
		l.Send(report(seq + 1))
	}
	assert.Equal(t, 2, early.wait(t))
	stop()
	sent := rest.wait(t)
	require.Len(t, sent, 19)
	for i, p := range sent[:18] {
		assert.Contains(t, string(p.Payload), fmt.Sprintf(`"seq":%d,`, i+3))
	}
}

func TestTooManyWaitingMessagesEndTheConnection(t *testing.T) {
	one := uint16(1)
	published, said := make(later[[]*packets.Publish], 1), make(chan struct{})
	url := serve(t, func(p *peer) {
		if p.nth == 0 {
			p.welcome(&packets.Properties{ReceiveMaximum: &one})
			for p.read() != nil { // and acknowledges nothing
			}
			return
		}
		<-said // or the last of the many would be for this connection
		p.welcome(&packets.Properties{})
		published <- p.behave()
	})
	in := newInbox()
	l, stop := start(t, config(url, in))
	in.next(t)
	for seq := range 1000 {
		l.Send(report(seq + 1))
	}
	close(said)
	assert.Equal(t, agent.Disconnected{}, in.next(t))
	assert.Equal(t, agent.Connected{}, in.next(t))
	stop()
	assertTopics(t, []string{topics + "up/offline"}, published.wait(t))
}

func TestNothingIsSentWithoutConnection(t *testing.T) {
	published := make(later[[]*packets.Publish], 1)
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		published <- p.behave()
	})
	in := newInbox()
	l, err := native.New(config(url, in))
	require.NoError(t, err)
	l.Send(report(1))
	stop := run(t, l)
	in.next(t)
	stop()
	l.Send(report(2))
	assertTopics(t, []string{topics + "up/offline"}, published.wait(t))
}

func TestProgressGivesWay(t *testing.T) {
	one := uint16(1)
	published, said := make(later[int], 1), make(chan struct{})
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{ReceiveMaximum: &one})
		held := p.until(packets.PUBLISH).Content.(*packets.Publish)
		<-said
		p.acknowledge(held)
		seen := 0
		for _, publish := range p.behave() {
			if strings.HasSuffix(publish.Topic, "/progress") {
				seen++
			}
		}
		published <- seen
	})
	in := newInbox()
	l, stop := start(t, config(url, in))
	in.next(t)
	l.Send(report(1))
	l.Send(report(2)) // waits for the acknowledgement of the first, and what follows behind it
	for range 100 {
		l.Send(progress())
	}
	close(said)
	stop()
	assert.LessOrEqual(t, published.wait(t), 16)
}

func TestDetailsAreCutToWhatTheBrokerTakes(t *testing.T) {
	limit := uint32(300)
	published := make(later[[]*packets.Publish], 1)
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{MaximumPacketSize: &limit})
		published <- p.behave()
	})
	in := newInbox()
	l, stop := start(t, config(url, in))
	in.next(t)
	large := report(1)
	large.Status, large.Failure = ota.DownloadFailed,
		&ota.Failure{Code: ota.HTTPError, Detail: "stage: " + strings.Repeat("x", 500) + " no valve"}
	l.Send(large)
	l.Send(report(2))
	l.Send(&ota.Report{})                                                         // cannot be encoded
	l.Send(&ota.Inventory{Time: report(1).Time, Agent: strings.Repeat("x", 250)}) // has nothing to cut
	stop()
	sent := published.wait(t)
	assertTopics(t, []string{topics + "up/status", topics + "up/status", topics + "up/offline"}, sent)
	assert.Regexp(t, `"seq":1,.*"code":"http_error","detail":"stage: x* … x+ no valve"`, string(sent[0].Payload))
	assert.LessOrEqual(t, len(sent[0].Payload), int(limit))
	assert.Contains(t, string(sent[1].Payload), `"seq":2`)
}

func TestRefusalIsSaidOnce(t *testing.T) {
	tries := make(chan struct{}, 100)
	url := serve(t, func(p *peer) {
		p.until(packets.CONNECT)
		code := byte(packets.ConnackNotAuthorized)
		if p.nth >= 5 {
			code = packets.ConnackServerBusy
		}
		p.send(&packets.Connack{ReasonCode: code, Properties: &packets.Properties{ReasonString: "ask Joe"}})
		select {
		case tries <- struct{}{}:
		default: // the test has seen enough
		}
	})
	var log bytes.Buffer
	cfg := config(url, newInbox())
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	l, stop := start(t, cfg)
	for range 10 {
		<-tries
	}
	assert.Contains(t, l.Health().Trouble, "refused the connection")
	stop()
	assert.Equal(t, 1, strings.Count(log.String(), "not authorized (ask Joe)"), log.String())
	assert.Equal(t, 1, strings.Count(log.String(), "busy"))
	assert.Contains(t, log.String(), "device=gw-0001")
}

func TestPasswordIsReadAtEveryConnect(t *testing.T) {
	passwords := make(later[string], 10)
	url := serve(t, func(p *peer) {
		connect := p.until(packets.CONNECT)
		if connect == nil {
			return // the test is over
		}
		select {
		case passwords <- string(connect.Content.(*packets.Connect).Password):
		default: // the test has seen enough
		}
	})
	cfg := config(url, newInbox())
	reads := 0
	cfg.Password = func() ([]byte, error) {
		reads++
		if reads == 2 {
			return nil, errors.New("no such file")
		}
		return fmt.Appendf(nil, "secret-%d", reads), nil
	}
	_, stop := start(t, cfg)
	assert.Equal(t, "secret-1", passwords.wait(t))
	assert.Equal(t, "secret-3", passwords.wait(t))
	stop()
}

func TestBrokersAreTriedInTurn(t *testing.T) {
	dead, err := address.Keep("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(dead.Release)
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		p.behave()
	})
	in := newInbox()
	cfg := config(url, in)
	cfg.URLs = []string{"mqtt://" + dead.String(), url}
	cfg.FirstDelay, cfg.MaxDelay = time.Second, time.Hour
	cfg.Jitter = func() float64 { return 0.999 }
	start(t, cfg)
	assert.Equal(t, agent.Connected{}, in.next(t), "without a delay in between")
}

func TestConfigProblemsAreSaidTogether(t *testing.T) {
	_, err := native.New(native.Config{
		Identity: ota.Identity{Product: "a/b"}, Prefix: "ota/#", KeepAlive: time.Millisecond, SessionExpiry: -1,
		ConnectTimeout: -1, GoodbyeTimeout: -1, FirstDelay: time.Minute, MaxDelay: time.Second,
	})
	for _, part := range []string{`product "a/b"`, `device ""`, "no broker URL", "prefix", "no device to deliver",
		"keep-alive",
		"session expiry", "connect time-out", "goodbye time-out", "first reconnect", "longest reconnect"} {
		assert.ErrorContains(t, err, part)
	}
	for url, part := range map[string]string{
		"http://host":                "scheme",
		"mqtt://":                    "host is missing",
		"mqtt://joe:secret@host":     "user name and password",
		"mqtt://host/topic":          "nothing may follow",
		"mqtt://host:port:secret%zz": "cannot be parsed",
	} {
		_, err := native.New(config(url, newInbox()))
		require.ErrorContains(t, err, part, url)
		assert.NotContains(t, err.Error(), "secret")
	}
}
