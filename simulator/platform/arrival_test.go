package platform_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/broker"
)

// arrives says whether everything that was said to a device arrives in time.
func arrives(s *platform.Service, d *device, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return s.AwaitArrival(ctx, []ota.Identity{d.id})
}

// TestArrival at a device that is slow to acknowledge.
func TestArrival(t *testing.T) {
	for name, config := range map[string]platform.Config{"in memory": {}, "with a state": {State: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			s, err := platform.New(config)
			require.NoError(t, err)
			serve(t, s.Run)
			d := connect(t, s.BrokerURL(), "gw-1")
			require.NoError(t, arrives(s, d, patience), "nothing was said")
			d.deaf.Lock()
			d.inventory("1.0.0") // it hears that there is no plan
			require.Eventually(t, func() bool { return arrives(s, d, time.Millisecond) != nil }, patience, time.Millisecond)
			require.ErrorIs(t, arrives(s, d, 100*time.Millisecond), context.DeadlineExceeded)
			other := connect(t, s.BrokerURL(), "gw-2")
			require.NoError(t, arrives(s, other, patience), "another's message is none of its")
			d.deaf.Unlock()
			require.NoError(t, arrives(s, d, patience))
			assert.Len(t, d.inbox, 1)
		})
	}
}

// TestArrivalAtAnExternalBroker: what that broker has taken has arrived.
func TestArrivalAtAnExternalBroker(t *testing.T) {
	t.Parallel()
	b, err := broker.New(broker.Config{PlatformUser: "staff", PlatformPassword: "secret"})
	require.NoError(t, err)
	s := start(t, platform.Config{BrokerURL: b.URL(), BrokerUser: "staff", BrokerPassword: "secret"})
	d := &device{t: t, id: ota.Identity{Product: "gw-200", Device: "gw-1"}}
	require.NoError(t, arrives(s, d, patience))
	s.Hear(d.id, &ota.Inventory{Time: time.Now(), Agent: "by hand", Request: true,
		Components: []ota.ComponentVersion{{ID: "rootfs", Type: ota.Module, Version: "1.0.0"}}})
	require.ErrorIs(t, arrives(s, d, 100*time.Millisecond), context.DeadlineExceeded, "the broker is not there yet")
	serve(t, b.Run)
	require.NoError(t, arrives(s, d, patience))
}
