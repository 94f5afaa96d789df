package native_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/agent/link/native"
)

// event is something that a broker saw or a link delivered, and when.
type event struct {
	at   time.Duration // after the start
	what string
}

// history runs a link for a time that passes at once, against a broker on a
// pipe, and gives what happened.
func history(t *testing.T, cfg native.Config, during time.Duration,
	treat func(p *peer, saw func(string))) (events []event) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		began := time.Now()
		saw := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, event{time.Since(began), what})
		}
		var served sync.WaitGroup
		nth := 0
		cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
			saw("dial")
			if treat == nil {
				return nil, errors.New("no route to host")
			}
			ours, theirs := net.Pipe()
			p := &peer{Conn: theirs, nth: nth}
			nth++
			served.Go(func() {
				defer func() { _ = theirs.Close() }()
				treat(p, saw)
			})
			return ours, nil
		}
		cfg.Identity, cfg.URLs = identity, []string{"mqtt://broker"}
		var l *native.Session
		cfg.Deliver = func(in agent.Input) {
			switch in.(type) {
			case agent.Connected:
				saw("up")
				l.Send(report(1))
			case agent.Disconnected:
				saw("down")
			}
		}
		var err error
		l, err = native.New(cfg)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), during, link.ErrAbrupt)
		defer cancel()
		assert.NoError(t, l.Run(ctx))
		served.Wait()
	})
	return events
}

func TestReconnectDelays(t *testing.T) {
	for name, test := range map[string]struct {
		draw float64
		want []time.Duration // of the dials
	}{
		"longest":  {1, seconds(0, 1, 3, 7, 15, 31, 63, 123, 183)},
		"half":     {0.5, seconds(0, .5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5)},
		"shortest": {0.001, seconds(0, .001, .003, .007, .015, .031, .063, .123, .183)},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := native.Config{Jitter: func() float64 { return test.draw }}
			events := history(t, cfg, test.want[8]+time.Millisecond/2, nil)
			require.Len(t, events, 9)
			for i, e := range events {
				assert.Equal(t, event{test.want[i], "dial"}, e)
			}
		})
	}
}

func seconds(values ...float64) (all []time.Duration) {
	for _, v := range values {
		all = append(all, time.Duration(v*1000)*time.Millisecond)
	}
	return all
}

// TestShortConnectionsKeepTheDelayGrowing is for two devices with one identity:
// each connection drives the other one out.
func TestShortConnectionsKeepTheDelayGrowing(t *testing.T) {
	cfg := native.Config{Jitter: func() float64 { return 1 }}
	events := history(t, cfg, 20*time.Second, func(p *peer, _ func(string)) {
		p.welcome(&packets.Properties{})
		if p.nth == 4 {
			time.Sleep(time.Minute)
		}
	})
	assert.Equal(t, seconds(0, 1, 3, 7, 15), at(events, "dial"))
}

// TestGoodConnectionStartsAnew loses a connection that was up for long.
func TestGoodConnectionStartsAnew(t *testing.T) {
	cfg := native.Config{Jitter: func() float64 { return 1 }}
	events := history(t, cfg, 100*time.Second, func(p *peer, _ func(string)) {
		if p.nth < 4 {
			return
		}
		p.welcome(&packets.Properties{})
		time.Sleep(30 * time.Second)
	})
	assert.Equal(t, seconds(0, 1, 3, 7, 15, 46, 77), at(events, "dial"))
}

func at(events []event, what string) (all []time.Duration) {
	for _, e := range events {
		if e.what == what {
			all = append(all, e.at)
		}
	}
	return all
}

// pings answers pings while told to, and tells of each.
func pings(p *peer, saw func(string), answer func(nth int) bool) {
	for nth := 0; ; {
		packet := p.read()
		if packet == nil {
			return
		}
		switch content := packet.Content.(type) {
		case *packets.Publish:
			p.acknowledge(content)
		case *packets.Pingreq:
			saw("ping")
			if answer(nth) {
				p.send(&packets.Pingresp{})
			}
			nth++
		}
	}
}

func TestKeepAlive(t *testing.T) {
	twenty, none, hours := uint16(20), uint16(0), uint16(65535)
	for name, test := range map[string]struct {
		broker    *packets.Properties
		answered  int // pings
		ping, end []time.Duration
	}{
		"answered":                   {&packets.Properties{}, 99, seconds(60, 120, 180), nil},
		"silent from the start":      {&packets.Properties{}, 0, seconds(60), seconds(90)},
		"silent later":               {&packets.Properties{}, 2, seconds(60, 120, 180), seconds(210)},
		"shortened by the broker":    {&packets.Properties{ServerKeepAlive: &twenty}, 1, seconds(20, 40), seconds(50)},
		"lengthened by the broker":   {&packets.Properties{ServerKeepAlive: &hours}, 1, seconds(60, 120), seconds(150)},
		"switched off by the broker": {&packets.Properties{ServerKeepAlive: &none}, 0, seconds(60), seconds(90)},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := native.Config{MaxDelay: time.Hour, FirstDelay: time.Second, Jitter: func() float64 { return 0.5 }}
			events := history(t, cfg, 239*time.Second, func(p *peer, saw func(string)) {
				if p.nth > 0 {
					time.Sleep(time.Hour) // a dead line from now on
					return
				}
				p.welcome(test.broker)
				pings(p, saw, func(nth int) bool { return nth < test.answered })
			})
			downs := at(events, "down")
			if test.end == nil {
				assert.Equal(t, seconds(239), downs, "the end of the test")
			} else {
				assert.Equal(t, test.end, downs)
			}
			assert.Equal(t, test.ping, at(events, "ping"))
		})
	}
}

// TestNothingIsAcknowledged gives a broker up that answers pings and no message,
// at the first look after 1.5 keep-alives.
func TestNothingIsAcknowledged(t *testing.T) {
	cfg := native.Config{Jitter: func() float64 { return 0.5 }}
	events := history(t, cfg, 121*time.Second, func(p *peer, saw func(string)) {
		if p.nth > 0 {
			return
		}
		p.welcome(&packets.Properties{})
		for packet := p.read(); packet != nil; packet = p.read() {
			if packet.Type == packets.PINGREQ {
				p.send(&packets.Pingresp{})
			}
		}
	})
	assert.Equal(t, seconds(120), at(events, "down"))
}

// TestHalfDeadConnections are given up although a write hangs in them. (Not in
// synctest's time, which stands still while a goroutine waits for a lock.)
func TestHalfDeadConnections(t *testing.T) {
	for name, first := range map[string]func(p *peer, until <-chan struct{}){
		"reads nothing": func(_ *peer, until <-chan struct{}) { <-until },
		"reads nothing and sends": func(p *peer, until <-chan struct{}) {
			for {
				select {
				case <-until:
					return
				case <-time.After(10 * time.Millisecond):
					p.send(&packets.Pingresp{})
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, until := newInbox(), make(chan struct{})
			cfg := config("mqtt://broker", in)
			cfg.KeepAlive = time.Second
			var served sync.WaitGroup
			nth := 0
			cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				p := &peer{Conn: theirs, nth: nth}
				nth++
				served.Go(func() {
					defer func() { _ = theirs.Close() }()
					p.welcome(&packets.Properties{})
					if p.nth == 0 {
						first(p, until)
					} else {
						p.behave()
					}
				})
				return ours, nil
			}
			l, stop := start(t, cfg)
			assert.Equal(t, agent.Connected{}, in.next(t))
			l.Send(report(1)) // hangs in the pipe
			assert.Equal(t, agent.Disconnected{}, in.next(t))
			assert.Equal(t, agent.Connected{}, in.next(t))
			close(until)
			stop()
			served.Wait()
		})
	}
}
