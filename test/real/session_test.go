//go:build real

package real_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

// An agent that is killed cannot say goodbye: the broker says it.
func TestWill(t *testing.T) {
	t.Parallel()
	broker := startMosquitto(t)
	observer := harness.StartPlatform(t, platform.Config{BrokerURL: broker.url()})
	key := harness.NewKey(t)
	device := harness.NewDevice(t, programs, broker.url(), key)
	device.Components(harness.FileComponent("app", "1.0.0", nil))
	device.Write("app.bin", []byte("old"), 0o755)
	agent := device.Start()
	observer.Offer(harness.Plan{ID: "p"}, harness.Pack(t, "app", "1.1.0", 2, []byte("new"), nil, key))
	observer.AwaitStatus("p", device, ota.DeviceUpgraded)
	assert.True(t, observer.Online("p", device))
	agent.Kill()
	harness.Await(t, "the platform hears that the device is offline", func() bool { return !observer.Online("p", device) })
	device.Start()
	harness.Await(t, "the platform hears the device again", func() bool { return observer.Online("p", device) })
}

// A plan for an agent that is away waits at the broker, over a restart of the
// broker too, and reaches the agent without anybody asking for it.
func TestPersistentSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broker := startMosquitto(t, "allow_anonymous true", "persistence true", "persistence_location "+dir+"/")
	device := harness.NewDevice(t, programs, broker.url(), harness.NewKey(t))
	device.Components(harness.FileComponent("app", "1.0.0", nil))
	device.Write("app.bin", []byte("old"), 0o755)

	observer := connectObserver(t, broker)
	agent := device.Start()
	inventory := await[*ota.Inventory](observer)
	assert.True(t, inventory.Request, "it asks for a plan, and this platform does not answer")
	agent.Kill()
	await[*ota.Offline](observer)

	observer.send(device, &ota.Plan{
		Time:       time.Now(),
		ID:         "p",
		Name:       "p",
		Attempt:    1,
		Mode:       ota.Silent,
		Ends:       time.Now().Add(time.Hour),
		OnFailure:  ota.Stop,
		Components: []ota.PlanComponent{{ID: "app", Type: ota.Module, Package: ota.Full, Target: "1.1.0", Size: 3}},
	})
	require.Zero(t, broker.process.Stop())
	broker.start()

	observer = connectObserver(t, broker)
	agent = device.Start()
	assert.True(t, await[*ota.Decision](observer).Accept)
	assert.Zero(t, agent.Stop())
	await[*ota.Offline](observer)
}

// observer is a platform of which the test writes every word.
type observer struct {
	t      *testing.T
	client *paho.Client
	heard  chan ota.Up
}

func connectObserver(t *testing.T, broker *server) *observer {
	t.Helper()
	d := &observer{t: t, heard: make(chan ota.Up, 100)}
	conn, err := net.Dial("tcp", broker.address)
	require.NoError(t, err)
	d.client = paho.NewClient(
		paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){d.hear}},
	)
	_, err = d.client.Connect(t.Context(), &paho.Connect{ClientID: "observer", CleanStart: true, KeepAlive: 30})
	require.NoError(t, err)
	_, err = d.client.Subscribe(t.Context(), &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: wire.Topics{}.PlatformFilter(), QoS: 1}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return d
}

func (d *observer) hear(p paho.PublishReceived) (bool, error) {
	kind := p.Packet.Topic[strings.LastIndex(p.Packet.Topic, "/")+1:]
	message, err := wire.DecodeUp(kind, p.Packet.Payload)
	assert.NoError(d.t, err, p.Packet.Topic)
	d.heard <- message
	return true, nil
}

// send publishes a message to a device and waits until the broker has it.
func (d *observer) send(to *harness.Device, m ota.Down) {
	d.t.Helper()
	kind, payload, err := wire.EncodeDown(m)
	require.NoError(d.t, err)
	_, err = d.client.Publish(d.t.Context(),
		&paho.Publish{Topic: wire.Topics{}.Down(to.Identity(), kind), QoS: 1, Payload: payload})
	require.NoError(d.t, err)
}

// await passes over what else devices say until a message of a kind comes.
func await[M ota.Up](d *observer) M {
	d.t.Helper()
	timeout := time.After(harness.Patience)
	for {
		select {
		case message := <-d.heard:
			if wanted, is := message.(M); is {
				return wanted
			}
		case <-timeout:
			var none M
			require.FailNow(d.t, "waited in vain", "%T", none)
		}
	}
}
