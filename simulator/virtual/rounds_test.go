package virtual_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// rounds is a soak of two days: gateways with sensors behind them, of which one fleet
// alone is upgraded, in a plan beside another one.
func rounds(t *testing.T, versions string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: rounds
duration: 48h
fleet:
  - name: gw
    count: 5
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
    install: {time: 5s}
    arrive: {over: 1m}
  - {name: spare, count: 3, product: gw-200, components: [{id: app, type: module, version: 1.0.0}]}
  - {name: sensors, count: 10, product: sense, behind: gw, components: [{id: fw, type: module, version: "7"}]}
plans:
  - name: hourly
    product: gw-200
    except: [spare]
    components: [{id: app, package: full, target: 1.1.0, size: 64KiB}]
    starts: 10m
    repeat: {every: 1h, versions: `+versions+`}
  - name: daily
    product: sense
    components: [{id: fw, package: full, target: "8", size: 16KiB}]
    repeat: {every: 20h, times: 2, versions: count}
faults:
  - {name: cut, at: upgrading, do: power_cut, chance: 50%, times: 1..20, after: 0%..100%, for: 1s..60s}
events:
  - {at: 5h, do: suspend_plan, plan: hourly, for: 5m}
  - {at: 9h9m, do: kill_platform, for: 5m}
  - {at: 12h10m1s, do: kill_broker, for: 2m}
expect:
  devices: {gw: {upgraded: 5}, spare: {not_upgraded: 3}, sensors: {upgraded: 10}}
  platform: {plans: {hourly: {upgraded: 5}, daily: {upgraded: 10, finished: true}}}
  windows: {held: "== 100%"}
  drift: {upgrade: {p50: "<= 30%"}}
`))
	require.NoError(t, err)
	return s
}

func flat() int64 { return 1 }

// TestRounds: each round upgrades every device it is for, in one piece and in shards alike.
func TestRounds(t *testing.T) {
	for _, versions := range []string{"alternate", "count"} {
		s := rounds(t, versions)
		whole := simulate(t, simulator.Options{Scenario: s, Memory: flat})
		for _, e := range whole.Expectations {
			assert.True(t, e.Held, "%s %s: %s", versions, e.Name, e.Measured)
		}
		assert.Empty(t, whole.Figures.Refused)
		rolling := whole.Figures.Windows.Rolling(s, s.Devices())
		assert.Len(t, rolling, 48)
		assert.Len(t, whole.Figures.Memory, verdict.MemorySamples)
		assert.Equal(t, 48*5+2*10, whole.Figures.Times.Upgrade.Count(), versions)

		parts := verdict.NewJudge(s, verdict.WithoutLogs).Figures(nil)
		for i := 1; i <= 3; i++ {
			parts.Merge(simulate(t, simulator.Options{Scenario: s, Memory: flat,
				Devices: pick(t, s, selection.Shard{Index: i, Of: 3})}).Figures)
		}
		merged := verdict.New(s, s.Seed, "virtual", parts)
		assert.Equal(t, whole.HistoryDigest, merged.HistoryDigest)
		again := parts.Windows.Rolling(s, s.Devices())
		require.Len(t, again, len(rolling))
		for i := range rolling {
			assert.Equal(t, rolling[i].String(), again[i].String())
			assert.Equal(t, rolling[i].Devices, again[i].Devices)
		}
		assert.Equal(t, int64(3), parts.Memory[0].Bytes)
	}
}

// TestManyEventsOfADevice are handed over while it lives, in their order.
func TestManyEventsOfADevice(t *testing.T) {
	s := rounds(t, "alternate")
	s.Events, s.Faults = nil, nil
	s.Duration, s.Plans[0].Repeat.Rounds = 480*s.Windows, 480
	calls, events := 0, []verdict.Event(nil)
	simulateBy(t, 1, simulator.Options{Scenario: s, Memory: flat, Devices: pick(t, s, selection.Shard{}, "gw-000001"),
		History: sink(func(some []verdict.Event) {
			calls++
			events = append(events, some...)
		})})
	assert.Greater(t, calls, 1)
	judge := verdict.NewJudge(s, verdict.WithoutLogs)
	for i := range events {
		judge.Add(events[i])
		require.True(t, i == 0 || events[i].At >= events[i-1].At)
	}
	assert.Equal(t, 480, judge.Figures(nil).Times.Upgrade.Count())
}
