package virtual_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// events runs a scenario of one device and returns what happened to it.
func events(t *testing.T, text string) []verdict.Event {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	var all []verdict.Event
	simulate(t, simulator.Options{Scenario: s, Devices: pick(t, s, selection.Shard{}, "gw-000001"),
		History: sink(func(some []verdict.Event) { all = append(all, some...) })})
	return all
}

// when lists the times at which events of a kind happened.
func when(all []verdict.Event, kind verdict.Kind) []time.Duration {
	var times []time.Duration
	for _, e := range all {
		if e.Kind == kind {
			times = append(times, e.At)
		}
	}
	return times
}

// TestNoSessionOverADeadLine breaks the line, or silences it, while the device is
// just connecting.
func TestNoSessionOverADeadLine(t *testing.T) {
	const far = `
scenario: test
duration: 10m
fleet:
  - name: gw
    count: 1
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
    link: {latency: 1s, bandwidth: 64KiB/s}
plans:
  - name: spring
    product: gw-200
    components: [{id: app, package: full, target: 1.1.0, size: 1MiB}]
`
	for _, kind := range []string{"drop", "half_open"} {
		all := events(t, far+`
faults:
  - {name: first, at: downloading, do: drop, chance: 100%, after: 1s}
  - {name: second, at: downloading, do: `+kind+`, chance: 100%, after: 5s, for: 1m}
`)
		dead := when(all, verdict.FaultFired)[1]
		connected := when(all, verdict.Connected)
		require.GreaterOrEqual(t, len(connected), 2, kind)
		assert.Greater(t, connected[1], dead+time.Minute, kind)
	}
}
