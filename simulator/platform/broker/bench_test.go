package broker_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/broker"
)

// memory is what the process holds after a collection: heap and stacks.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkIdleConnection measures the memory of a connected device with one
// subscription. The clients are bare sockets of the same process, a few
// hundred bytes each.
func BenchmarkIdleConnection(b *testing.B) {
	const devices = 2000
	for b.Loop() {
		server, stop := start(b, broker.Config{})
		clients := make([]bare, devices)
		before := memory()
		for i := range clients {
			clients[i] = dialBare(b, server, fmt.Sprintf("gw.device-%04d", i), 64)
			clients[i].subscribe(b, fmt.Sprintf("ota/v1/gw/device-%04d/down/+", i))
		}
		b.ReportMetric(float64(memory()-before)/devices, "B/conn")
		for _, c := range clients {
			require.NoError(b, c.Close())
		}
		stop()
	}
}

// BenchmarkPublish measures a message from the platform to one of many devices
// and its acknowledgement.
func BenchmarkPublish(b *testing.B) {
	server, _ := start(b, broker.Config{})
	device := dialBare(b, server, "gw.device", 64)
	device.subscribe(b, "ota/v1/gw/device/down/+")
	payload := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, server.Publish("ota/v1/gw/device/down/ack", payload, 0))
		device.acknowledge(b, device.read(b, packets.PUBLISH).PacketID())
	}
}
