package native_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
)

// patientConn is a connection that waits by itself, without taking what is there.
type patientConn struct {
	*net.TCPConn
	waits *atomic.Int32
}

// Await looks at the socket, on a goroutine of the test (native.Awaiter).
func (c patientConn) Await(ready func()) {
	c.waits.Add(1)
	go func() {
		raw, err := c.SyscallConn()
		if err == nil {
			_ = raw.Read(func(fd uintptr) bool {
				_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				return err != syscall.EAGAIN
			})
		}
		ready()
	}()
}

// patient is a configuration whose connections wait by themselves; it counts how
// often they do.
func patient(url string, to inbox) (cfg native.Config, waits *atomic.Int32) {
	waits = new(atomic.Int32)
	cfg = config(url, to)
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return patientConn{conn.(*net.TCPConn), waits}, nil
	}
	return cfg, waits
}

// ack is an acknowledgement of the platform as a packet, and as it is delivered.
func ack(seq int) (packet *packets.Publish, delivered agent.Received) {
	return &packets.Publish{QoS: 1, PacketID: uint16(seq), Topic: topics + "down/ack", Properties: &packets.Properties{},
		Payload: fmt.Appendf(nil, `{"plan":"p-17","seq":%d}`, seq)}, agent.Received{Message: &ota.Ack{Plan: "p-17", Seq: seq}}
}

// writings are how the broker writes the same packets: what of them comes at once.
var writings = map[string]func(p *peer, all []byte){
	"in one piece": func(p *peer, all []byte) { _, _ = p.Write(all) },
	"in two pieces": func(p *peer, all []byte) {
		_, _ = p.Write(all[:len(all)/2])
		time.Sleep(30 * time.Millisecond)
		_, _ = p.Write(all[len(all)/2:])
	},
	"byte by byte": func(p *peer, all []byte) {
		for i := range all {
			_, _ = p.Write(all[i : i+1])
		}
	},
}

// many are acknowledgements one after the other.
func many(n int) (bytes []byte, want []agent.Input) {
	b := new(collected)
	for seq := 1; seq <= n; seq++ {
		packet, delivered := ack(seq)
		_, _ = packet.WriteTo(b)
		want = append(want, delivered)
	}
	return *b, want
}

// collected is what was written to it.
type collected []byte

func (c *collected) Write(b []byte) (int, error) {
	*c = append(*c, b...)
	return len(b), nil
}

// TestPatientConnection misses nothing, however it is written, and waits again.
func TestPatientConnection(t *testing.T) {
	for name, write := range writings {
		t.Run(name, func(t *testing.T) {
			all, want := many(20)
			published := make(later[[]*packets.Publish], 1)
			in := newInbox()
			cfg, waits := patient(serve(t, func(p *peer) {
				p.welcome(&packets.Properties{})
				write(p, all)
				published <- p.behave()
			}), in)
			l, stop := start(t, cfg)
			require.Equal(t, agent.Connected{}, in.next(t))
			for _, input := range want {
				require.Equal(t, input, in.next(t))
			}
			l.Send(report(1))
			stop()
			require.Equal(t, agent.Disconnected{}, in.next(t))
			assertTopics(t, []string{topics + "up/status", topics + "up/offline"}, published.wait(t))
			assert.Positive(t, waits.Load())
		})
	}
}

// TestPatientConnectionEnds from either side, and another one follows.
func TestPatientConnectionEnds(t *testing.T) {
	in := newInbox()
	cfg, _ := patient(serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		switch p.nth {
		case 0: // it hangs up
		case 1:
			require.NoError(t, p.Conn.(*net.TCPConn).SetLinger(0)) // it resets
		case 2:
			_, _ = p.Write([]byte{0xf0, 0}) // what no broker may send
			p.behave()
		default:
			p.behave()
		}
	}), in)
	_, stop := start(t, cfg)
	for range 3 {
		require.Equal(t, agent.Connected{}, in.next(t))
		require.Equal(t, agent.Disconnected{}, in.next(t))
	}
	require.Equal(t, agent.Connected{}, in.next(t))
	stop()
	require.Equal(t, agent.Disconnected{}, in.next(t))
}

// serveTLS is a broker with a certificate. What treat writes at once is one TLS
// record.
func serveTLS(t *testing.T, ca *authority, treat func(p *peer)) string {
	t.Helper()
	h := ca.issue(t, "broker")
	cert, err := tls.LoadX509KeyPair(h.certFile, h.keyFile)
	require.NoError(t, err)
	url := serve(t, func(p *peer) {
		secure := tls.Server(p.Conn, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
		treat(&peer{Conn: secure, nth: p.nth})
		_ = secure.Close()
	})
	return "mqtts" + url[len("mqtt"):]
}

// TestPatientConnectionWithTLS: a record that was read brings packets that no
// socket tells of any more, and half a record brings none.
func TestPatientConnectionWithTLS(t *testing.T) {
	ca := newAuthority(t)
	for name, write := range writings {
		t.Run(name, func(t *testing.T) {
			all, want := many(20)
			in := newInbox()
			cfg, waits := patient(serveTLS(t, ca, func(p *peer) {
				p.welcome(&packets.Properties{})
				write(p, all)
				p.behave()
			}), in)
			cfg.TLS = always(ca.client(t, "gw-0001"))
			_, stop := start(t, cfg)
			require.Equal(t, agent.Connected{}, in.next(t))
			for _, input := range want {
				require.Equal(t, input, in.next(t))
			}
			stop()
			require.Equal(t, agent.Disconnected{}, in.next(t))
			assert.Positive(t, waits.Load())
		})
	}
}

// TestHalfARecord: the link goes on waiting for the rest of a TLS record, for
// longer than it waits beside the socket.
func TestHalfARecord(t *testing.T) {
	ca := newAuthority(t)
	slow := new(atomic.Bool)
	h := ca.issue(t, "broker")
	cert, err := tls.LoadX509KeyPair(h.certFile, h.keyFile)
	require.NoError(t, err)
	all, want := many(3)
	url := serve(t, func(p *peer) {
		secure := tls.Server(halting{p.Conn, slow},
			&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
		q := &peer{Conn: secure}
		q.welcome(&packets.Properties{})
		slow.Store(true)
		_, _ = q.Write(all)
		slow.Store(false)
		q.behave()
	})
	in := newInbox()
	cfg, _ := patient("mqtts"+url[len("mqtt"):], in)
	cfg.TLS = always(ca.client(t, "gw-0001"))
	start(t, cfg)
	require.Equal(t, agent.Connected{}, in.next(t))
	for _, input := range want {
		require.Equal(t, input, in.next(t))
	}
}

// halting writes in two halves with a pause between them, while it is slow.
type halting struct {
	net.Conn
	slow *atomic.Bool
}

func (h halting) Write(b []byte) (int, error) {
	if !h.slow.Load() {
		return h.Conn.Write(b)
	}
	n, err := h.Conn.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	time.Sleep(250 * time.Millisecond)
	m, err := h.Conn.Write(b[len(b)/2:])
	return n + m, err
}

// TestAwaitingTakesNoGoroutine of the link's: here the only ones are the test's
// own, one for each connection.
func TestAwaitingTakesNoGoroutine(t *testing.T) {
	const links = 50
	in := newInbox()
	url := serve(t, func(p *peer) {
		p.welcome(&packets.Properties{})
		p.behave()
	})
	before := runtime.NumGoroutine()
	for range links {
		cfg, _ := patient(url, in)
		start(t, cfg)
	}
	for range links {
		require.Equal(t, agent.Connected{}, in.next(t))
	}
	// A goroutine of the broker, one that waits in Await, and two of start.
	assert.Eventually(t, func() bool { return runtime.NumGoroutine()-before <= 4*links }, patience, time.Millisecond)
}
