package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/scenario"
)

// snapshot is a run of 200 devices in the middle.
func snapshot() simulator.Snapshot {
	return simulator.Snapshot{
		Elapsed: 12*time.Second + 400*time.Millisecond, Devices: 200, Arrived: 180, Connected: 150,
		Statuses: [5]int{ota.DeviceNotUpgraded: 80, ota.DeviceUpgrading: 20, ota.DeviceUpgraded: 60, ota.DeviceUpgradeFailed: 10, ota.DeviceNoUpdateRequired: 10},
		Refusals: 3, Reports: 777, Bytes: 5 << 20, Faults: 9, PowerCuts: 4,
	}
}

func TestLine(t *testing.T) {
	assert.Equal(t, "   12s  arrived 180  connected 150  upgrading 20  upgraded 70  failed 10  refusals 3  downloaded 5.0 MiB  faults 9", line(snapshot()))
}

func TestRedraw(t *testing.T) {
	var screen bytes.Buffer
	l := &live{w: &screen, scenario: &scenario.Scenario{}, terminal: true}
	l.last = simulator.Snapshot{Elapsed: 10*time.Second + 400*time.Millisecond, Bytes: 1 << 20}
	l.redraw(snapshot())
	first := screen.String()
	assert.NotContains(t, first, "\x1b[4A", "there is nothing to replace yet")
	for _, part := range []string{" 35%  12s", "upgraded 70", "upgrading 20", "failed 10", "not upgraded 100", "arrived 180 · connected 150 · refusals 3 · reports stored 777",
		"downloaded 5.0 MiB · 2.0 MiB/s · faults fired 9 · power cuts 4"} {
		assert.Contains(t, first, part)
	}
	screen.Reset()
	l.redraw(snapshot())
	assert.True(t, strings.HasPrefix(screen.String(), "\x1b[4A"), "the block of four lines is replaced")
}

func TestStackedIsAsLongAsItSays(t *testing.T) {
	length := func(s simulator.Snapshot) int {
		bar := stacked(s)
		return strings.Count(bar, "█") + strings.Count(bar, "░")
	}
	assert.Equal(t, liveBar, length(snapshot()))
	assert.Equal(t, liveBar, length(simulator.Snapshot{}))
	full := snapshot()
	full.Statuses = [5]int{ota.DeviceUpgraded: 200}
	assert.Equal(t, liveBar, strings.Count(stacked(full), "█"))
	assert.Equal(t, 0, percent(0, 0))
}
