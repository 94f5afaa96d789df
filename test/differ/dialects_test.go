package differ_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/virtual"
)

// TestHawkBitWorldsAgree holds that each device of a bundled scenario ends in the same
// class in either world where devices poll hawkBit, and is struck as often by its
// faults. How it comes there is not compared step by step: when a device polls is
// drawn otherwise.
func TestHawkBitWorldsAgree(t *testing.T) {
	t.Parallel()
	agreeBy(t, "hawkbit", "bad-flash", "brown-out", "busy-storage", "crash", "gateway", "happy", "hawkbit-busy",
		"hawkbit-cancelled", "on-failure", "unhealthy", "wrong-signature")
}

// TestQuecThingWorldsAgree holds the same for devices that speak quecthing: how often it
// has a status said again is a matter of timing.
func TestQuecThingWorldsAgree(t *testing.T) {
	t.Parallel()
	agreeBy(t, "quecthing", "bad-flash", "brown-out", "busy-storage", "crash", "quecthing-modules",
		"store-outage", "unhealthy")
}

func agreeBy(t *testing.T, platform string, names ...string) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../../scenarios/" + name + ".yaml")
			require.NoError(t, err)
			s, err := scenario.Parse(name, text)
			require.NoError(t, err)
			s.Platform = platform
			s.Duration *= 3 // for a machine that does much else
			inTime, err := recordIn(t.Context(), virtual.World{}, s)
			require.NoError(t, err)
			onSockets, err := recordIn(t.Context(), &real.World{}, s)
			require.NoError(t, err)
			want, is := outcomeOf(s, inTime), outcomeOf(s, onSockets)
			for device := range want {
				assert.Equal(t, want[device]["class"], is[device]["class"], device)
				assert.Empty(t, is[device]["violation"], device)
				for i := range s.Faults {
					key := "fault " + s.Faults[i].Name + " struck"
					assert.Equal(t, want[device][key], is[device][key], "%s: %s", device, key)
				}
			}
		})
	}
}
