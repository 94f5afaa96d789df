package virtual_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// TestUsersAnswerAtOnce: what they say is not lost because the platform has not
// heard of their device yet.
func TestUsersAnswerAtOnce(t *testing.T) {
	for answer, class := range map[string]scenario.Class{"confirm": scenario.Upgraded, "cancel": scenario.UpgradeFailed} {
		text := one + "    mode: manual\n    users: {confirm: 0%, cancel: 0%}\n"
		text = strings.Replace(text, answer+": 0%", answer+": 100%", 1)
		for _, line := range []string{"", "    link: {latency: 300ms}\n"} {
			f := figures(t, strings.Replace(text, "    install:", line+"    install:", 1))
			assert.Equal(t, 5, f.Classes[class], "%s %s", answer, line)
		}
	}
}

// TestAPlatformThatIsDownTakesNoOrders: they are carried out when it is back.
func TestAPlatformThatIsDownTakesNoOrders(t *testing.T) {
	for _, orders := range []string{"    mode: manual\n    users: {confirm: 100%, after: 10s}\n", "    starts: 2m\n"} {
		s, err := scenario.Parse("test.yaml", []byte(one+orders+"events:\n  - {at: 1s, do: kill_platform, for: 5m}\n"))
		require.NoError(t, err)
		record := sink(func(events []verdict.Event) {
			for _, e := range events {
				if e.Kind == verdict.Numbered {
					assert.Greater(t, e.At, 5*time.Minute, "%s begins while no platform can tell it to", e.Device)
				}
			}
		})
		f := simulateBy(t, 1, simulator.Options{Scenario: s, History: record}).Figures
		assert.Equal(t, 5, f.Classes[scenario.Upgraded])
	}
}

// TestAPlanEndsForDevicesThatAreGone: the world goes on until then.
func TestAPlanEndsForDevicesThatAreGone(t *testing.T) {
	f := figures(t, one+"    ends: 10s\n"+
		"    mode: manual\nfaults:\n  - {name: gone, at: connect, do: vanish, chance: 100%, after: 1s}\n")
	assert.Equal(t, 5, f.Classes[scenario.UpgradeFailed], "%v", f.Classes)
}

// TestACrashIsNoPowerCut: the device keeps its power.
func TestACrashIsNoPowerCut(t *testing.T) {
	for kind, cuts := range map[string]int{"crash": 0, "power_cut": 5} {
		f := figures(t, one+"faults:\n  - {name: bad, at: upgrading, do: "+kind+", chance: 100%}\n")
		assert.Equal(t, 5, f.Classes[scenario.Upgraded])
		assert.Equal(t, cuts, f.PowerCuts, kind)
		assert.GreaterOrEqual(t, f.Sessions, 10, "sessions end with the agent")
	}
}
