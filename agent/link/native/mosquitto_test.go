//go:build real

package native_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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

// mosquitto runs a real broker with a configuration and gives its address.
func mosquitto(t testing.TB, config ...string) string {
	t.Helper()
	program := os.Getenv("MOSQUITTO")
	require.NotEmpty(t, program, "MOSQUITTO must name the broker: make test-real does")
	kept, err := address.Keep("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(kept.Release)
	_, port, _ := net.SplitHostPort(kept.String())
	file := filepath.Join(t.TempDir(), "mosquitto.conf")
	text := "user root\nallow_anonymous true\nlistener " + port + " 127.0.0.1\n" + strings.Join(config, "\n")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	broker := exec.Command(program, "-c", file)
	require.NoError(t, broker.Start())
	t.Cleanup(func() {
		_ = broker.Process.Kill()
		_ = broker.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", kept.String())
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond)
	return kept.String()
}

// platform connects to a broker as a platform does, subscribed to every device.
func platform(t *testing.T, at string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	p := &peer{Conn: conn}
	p.send(&packets.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: "platform", CleanStart: true,
		Properties: &packets.Properties{}})
	require.NotNil(t, p.until(packets.CONNACK))
	p.send(&packets.Subscribe{
		PacketID: 1, Properties: &packets.Properties{},
		Subscriptions: []packets.SubOptions{{Topic: "ota/v1/+/+/up/+", QoS: 1}},
	})
	require.NotNil(t, p.until(packets.SUBACK))
	return p
}

// kind waits for a message of a device and gives the last level of its topic.
func (p *peer) kind(t *testing.T) string {
	t.Helper()
	packet := p.until(packets.PUBLISH)
	require.NotNil(t, packet, "no message came")
	publish := packet.Content.(*packets.Publish)
	p.acknowledge(publish)
	return strings.TrimPrefix(publish.Topic, topics+"up/")
}

func TestBrokerKeepsMessagesOfAnAbsentDevice(t *testing.T) {
	at := mosquitto(t)
	urlCache := platform(t, at)
	in := newInbox()
	l, stop := start(t, config("mqtt://"+at, in))
	require.Equal(t, agent.Connected{}, in.next(t))
	for seq := range 50 {
		l.Send(report(seq + 1))
	}
	for range 50 {
		require.Equal(t, "status", urlCache.kind(t))
	}
	stop()
	require.Equal(t, agent.Disconnected{}, in.next(t))
	require.Equal(t, "offline", urlCache.kind(t))

	for seq := range 5 {
		urlCache.down(uint16(seq+1), topics+"down/ack", fmt.Sprintf(`{"plan":"p-17","seq":%d}`, seq+1))
		require.NotNil(t, urlCache.until(packets.PUBACK))
	}
	run(t, l)
	require.Equal(t, agent.Connected{}, in.next(t))
	for seq := range 5 {
		require.Equal(t, agent.Received{Message: &ota.Ack{Plan: "p-17", Seq: seq + 1}}, in.next(t))
	}
}

func TestWillAfterAPowerCut(t *testing.T) {
	at := mosquitto(t)
	urlCache := platform(t, at)
	in := newInbox()
	l, err := native.New(config("mqtt://"+at, in))
	require.NoError(t, err)
	ctx, cut := context.WithCancelCause(t.Context())
	ended := make(later[error], 1)
	go func() { ended <- l.Run(ctx) }()
	require.Equal(t, agent.Connected{}, in.next(t))
	cut(link.ErrAbrupt)
	assert.NoError(t, ended.wait(t))
	assert.Equal(t, "offline", urlCache.kind(t))
}

// TestTakeover runs two devices of one identity: both go on, neither floods.
func TestTakeover(t *testing.T) {
	at := mosquitto(t)
	first, second := newInbox(), newInbox()
	start(t, config("mqtt://"+at, first))
	require.Equal(t, agent.Connected{}, first.next(t))
	start(t, config("mqtt://"+at, second))
	require.Equal(t, agent.Connected{}, second.next(t))
	require.Equal(t, agent.Disconnected{}, first.next(t))
	require.Equal(t, agent.Connected{}, first.next(t))
}

func TestTLSWithClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	broker := ca.issue(t, "broker")
	at := mosquitto(t, "cafile "+ca.file, "certfile "+broker.certFile, "keyfile "+broker.keyFile,
		"require_certificate true", "use_identity_as_username true")
	in := newInbox()
	cfg := config("mqtts://"+at, in)
	cfg.TLS = always(ca.client(t, "gw-0001"))
	start(t, cfg)
	assert.Equal(t, agent.Connected{}, in.next(t))

	t.Run("another authority's broker", func(t *testing.T) {
		cfg := config("mqtts://"+at, newInbox())
		cfg.TLS = always(newAuthority(t).client(t, "gw-0001"))
		l, _ := start(t, cfg)
		assert.Eventually(t, func() bool { return strings.Contains(l.Health().Trouble, "certificate") }, patience,
			time.Millisecond)
	})
	t.Run("without the certificate", func(t *testing.T) {
		cfg := config("mqtts://"+at, newInbox())
		bare := ca.client(t, "gw-0001")
		bare.Certificates = nil
		cfg.TLS = always(bare)
		l, _ := start(t, cfg)
		assert.Eventually(t, func() bool { return l.Health().Trouble != "" }, patience, time.Millisecond)
	})
}

// idle connects n links and gives what they take when nothing happens.
func idle(t testing.TB, at string, n int) (goroutines, heap, stack, resident float64) {
	t.Helper()
	up := make(chan struct{}, n)
	measure := func() (int, runtime.MemStats, float64) {
		var m runtime.MemStats
		for range 4 { // stacks shrink by half with each
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m, rss(t)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	g0, m0, r0 := measure()
	ended := make(chan error, n)
	for i := range n {
		l, err := native.New(native.Config{
			Identity: ota.Identity{Product: "gw-200", Device: fmt.Sprintf("gw-%06d", i)}, URLs: []string{"mqtt://" + at},
			Deliver: func(in agent.Input) {
				if _, ok := in.(agent.Connected); ok {
					up <- struct{}{}
				}
			},
		})
		require.NoError(t, err)
		l.Start(ctx, func() { ended <- nil })
		if i%64 == 63 { // not all in one moment: a herd's peak is not this measure's matter
			for range 64 {
				<-up
			}
		}
	}
	for range n % 64 {
		<-up
	}
	// The last ones have connected, but may still be on their way to rest.
	for deadline := time.Now().Add(patience); float64(runtime.NumGoroutine()) > float64(g0)+1.1*float64(n) &&
		time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	g1, m1, r1 := measure()
	cancel(link.ErrAbrupt)
	for range n {
		require.NoError(t, <-ended)
	}
	each := func(v float64) float64 { return v / float64(n) }
	return each(float64(g1 - g0)), each(float64(m1.HeapAlloc) - float64(m0.HeapAlloc)),
		each(float64(m1.StackInuse) - float64(m0.StackInuse)), each(r1 - r0)
}

// rss is the resident memory of this process in bytes.
func rss(t testing.TB) float64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var size, resident int
	_, err = fmt.Sscan(string(text), &size, &resident)
	require.NoError(t, err)
	return float64(resident * os.Getpagesize())
}

// TestIdleLinksAreSmall also finds goroutines that stay behind.
func TestIdleLinksAreSmall(t *testing.T) {
	at := mosquitto(t)
	before := runtime.NumGoroutine()
	goroutines, heap, _, _ := idle(t, at, 200)
	assert.LessOrEqual(t, goroutines, 1.1)
	assert.Less(t, heap, 4096.0)
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "goroutines stay behind")
	}
}

func BenchmarkIdleLinks(b *testing.B) {
	at := mosquitto(b, "max_connections -1")
	for range b.N {
		goroutines, heap, stack, resident := idle(b, at, 1000)
		b.ReportMetric(goroutines, "goroutines/link")
		b.ReportMetric(heap, "heap-B/link")
		b.ReportMetric(stack, "stack-B/link")
		b.ReportMetric(resident, "rss-B/link")
	}
}
