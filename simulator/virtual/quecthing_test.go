package virtual_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/virtual"
)

// TestQuecThingIsRepeated holds that devices that speak quecthing's dialect do the same
// for the same seed, as others do.
func TestQuecThingIsRepeated(t *testing.T) { isRepeated(t, bundled(t, "bad-line", 0), model.QuecThing) }

// TestQuecThingEndsAsNative holds that devices end in the same classes, whichever
// dialect they speak. Left out is what quecthing has no words for, and what is different
// there: an address that has expired is a failed download, which costs one of the plan's
// retries (expired-addresses, long-download), and a device that finds no broker six
// times rests for half an hour (half-open).
func TestQuecThingEndsAsNative(t *testing.T) {
	endAsNative(t, model.QuecThing, "bad-flash", "bad-line", "broker-outage", "busy-storage", "corrupt-mirror", "crash",
		"never-online", "partition", "plan-terminated", "platform-restart", "reconnect-storm", "refusals",
		"retry-after-failure", "store-outage", "unhealthy", "vanish", "wrong-version")
}

// TestWhatQuecThingCannotSay is refused before anything runs.
func TestWhatQuecThingCannotSay(t *testing.T) {
	_, err := simulator.Simulate(t.Context(), virtual.World{},
		simulator.Options{Scenario: bundled(t, "gateway", 0), Dialect: model.QuecThing})
	require.ErrorContains(t, err, "behind: quecthing's sub-devices are not published")
}
