//go:build real

package real_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/test/harness"
)

// held is how long a connection must last to be a good one, after which an agent
// that loses it hurries back.
const held = 2500 * time.Millisecond

// A broker that is killed again and again, and forgets everything each time,
// costs an upgrade nothing: neither a report nor a byte.
func TestBrokerOutages(t *testing.T) {
	t.Parallel()
	const outages, size = 10, 20 << 20
	store, broker := startStore(t, false), startMosquitto(t)
	front := store.front()
	key := harness.NewKey(t)
	observer := harness.StartPlatform(t, platform.Config{BrokerURL: broker.url(), Store: store.remote(front.url)})
	device := harness.NewDevice(t, programs, broker.url(), key)
	device.Settings["download"] = harness.Settings{"rate_limit": "512KiB/s"}
	device.Components(harness.FileComponent("app", "1.0.0", nil), harness.FileComponent("tool", "1.0.0", nil))
	device.Write("app.bin", []byte("old"), 0o755)
	device.Write("tool.bin", []byte("old"), 0o755)
	image := harness.Image(1, size)
	observer.Offer(harness.Plan{ID: "p"}, harness.Pack(t, "app", "1.1.0", 2, image, nil, key),
		harness.Pack(t, "tool", "1.1.0", 2, []byte("new"), nil, key))

	began := time.Now()
	agent := device.Start()
	harness.Await(t, "the download goes on", func() bool { return len(front.asked()) > 0 })
	for outage := range outages {
		time.Sleep(held)
		broker.kill()
		broker.start()
		harness.Await(t, "the agent is back",
			func() bool { return strings.Count(agent.Output(), `msg="connected to the broker"`) > outage+1 })
	}
	t.Logf("%d outages in %s", outages, time.Since(began).Round(time.Millisecond))
	observer.AwaitStatus("p", device, ota.DeviceUpgraded)
	t.Logf("upgraded in %s, reports %v", time.Since(began).Round(time.Millisecond), observer.Arrivals())

	assert.True(t, bytes.Equal(image, device.Read("app.bin")))
	assert.Len(t, front.asked(), 2, "one request for each file: a download needs no broker")
	for i, r := range observer.Reports("p") {
		assert.Equal(t, i+1, r.Seq, "the numbers have no gap")
	}
	assert.Len(t, observer.Reports("p"), 2*7)
	assert.Empty(t, observer.Faults("p"))
	assert.Zero(t, observer.Arrivals()[engine.Early], "out of order")
	assert.Zero(t, agent.Stop())
}
