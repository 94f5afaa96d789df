package real_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator"
	"otafleet/simulator/real"
	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// TestMain lets more tests run at once than there are processors: a run mostly
// waits.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// pick chooses devices of a scenario: of a shard, or by their keys.
func pick(t *testing.T, s *scenario.Scenario, shard selection.Shard, only ...string) *selection.Selection {
	t.Helper()
	x, err := selection.New(s, shard, only)
	require.NoError(t, err)
	return x
}

// base is a scenario without faults; tests put their own lines behind it.
const base = `
scenario: test
duration: 20m
fleet:
  - &fleet
    name: gw
    count: 20
    product: gw-200
    components: [{id: rootfs, type: module, version: 1.0.0}, {id: motor, type: mcu, version: 3_0}]
    battery: 40..90
    rssi: -100..-60
    link: {latency: 2ms, jitter: 1ms, bandwidth: 4MiB/s}
    install: {time: 10ms..50ms, restart: process}
plans:
  - name: spring
    product: gw-200
    components:
      - {id: rootfs, package: full, target: 1.1.0, size: 130000, chunk: 16KiB}
      - {id: motor, package: full, target: 3_1, size: 20000, encoding: zstd, chunk: 4KiB}
    conditions: {min_battery: 30, min_rssi: -110}
`

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	return s
}

// edit changes the base; every old text must be there.
func edit(t *testing.T, oldNew ...string) string {
	t.Helper()
	text := base
	for i := 0; i < len(oldNew); i += 2 {
		require.Contains(t, text, oldNew[i])
		text = strings.Replace(text, oldNew[i], oldNew[i+1], 1)
	}
	return text
}

func simulate(t *testing.T, text string) *verdict.Verdict {
	t.Helper()
	v, err := simulator.Simulate(t.Context(), &real.World{}, simulator.Options{Scenario: parse(t, text)})
	require.NoError(t, err)
	checkSums(t, v)
	return v
}

// checkSums holds that every device is in exactly one class.
func checkSums(t *testing.T, v *verdict.Verdict) {
	t.Helper()
	sum := func(c verdict.Counts) int {
		n := 0
		for _, devices := range c {
			n += devices
		}
		return n
	}
	assert.Equal(t, v.Figures.Devices, sum(v.Figures.Classes))
	for _, fleet := range v.Figures.Fleets {
		assert.Equal(t, fleet.Count, sum(fleet.Classes), fleet.Name)
	}
}

// held shows the whole verdict where it does not hold.
func held(t *testing.T, v *verdict.Verdict) {
	t.Helper()
	if !v.Held {
		var b strings.Builder
		require.NoError(t, report.WriteText(&b, v, report.Style{}))
		require.Fail(t, "not held", b.String())
	}
}

// ended lists the classes that are not empty.
func ended(v *verdict.Verdict) verdict.Counts {
	classes := maps.Clone(v.Figures.Classes)
	maps.DeleteFunc(classes, func(_ scenario.Class, n int) bool { return n == 0 })
	return classes
}

// TestManyFaults upgrades a fleet through faults of many kinds.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	text := base + `
faults:
  - {name: shaky, at: connect, do: drop, exactly: 30%, times: 1..2, after: 50ms}
  - {name: lossy, at: downloading, do: drop, exactly: 30%, times: 1..2, after: 10%..90%}
  - {name: noisy, at: downloading, do: corrupt, exactly: 30%, times: 1..2}
  - {name: late, at: downloading, do: url_expired, exactly: 20%, after: 40%}
  - {name: overload, at: downloading, do: http_status, exactly: 20%}
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 20%, after: 0%..100%, for: 100ms}
  - {name: bouncing, at: boot, do: power_cut, exactly: 20%, times: 2}
  - {name: sick, at: health, do: unhealthy, exactly: 20%}
  - {name: tired, at: plan_received, do: refuse, exactly: 20%, reason: battery_low, for: 300ms}
  - {name: forger, at: upgrade_confirmed, do: bad_signature, exactly: 20%}
expect:
  devices: {upgraded: "== 100%", gw: {upgraded: 20}}
  reports: {lost: 0, out_of_order: 0, conflicting: 0, illegal: 0}
  time: {upgrade: {max: "< 20m"}}
  faults: {fired: all}
`
	s := parse(t, text)
	var run simulator.Run
	v, err := simulator.Simulate(t.Context(), &real.World{},
		simulator.Options{Scenario: s, Started: func(r simulator.Run) { run = r }})
	require.NoError(t, err)
	held(t, v)
	checkSums(t, v)
	assert.Equal(t, 4+2*4, v.Figures.PowerCuts)
	assert.Equal(t, map[string]map[string]int{"rootfs": {"upgrade_succeeded": 20}, "motor": {"upgrade_succeeded": 20}},
		v.Figures.Components)

	last := run.Snapshot()
	assert.Equal(t, [5]int{ota.DeviceUpgraded: 20}, last.Statuses)
	assert.Equal(t, []int{20, 20, 20}, []int{last.Devices, last.Arrived, last.Connected}, "as the run ended")
	assert.Equal(t, v.Figures.Reports.Stored, last.Reports)
	assert.Equal(t, v.Figures.Bytes, last.Bytes)
	assert.Equal(t, v.Figures.PowerCuts, last.PowerCuts)
	fired := 0
	for i, f := range v.Figures.Faults {
		fired += f.Fired
		assert.Equal(t, simulator.Tally{Name: f.Name, N: f.Fired}, last.Faults[i])
	}
	assert.Equal(t, fired, last.Fired())
	assert.Contains(t, last.Failures, simulator.Tally{Name: string(ota.HealthCheckFailed), N: 4})
}

// TestPowerCutAtEveryStatus: wherever the power fails, the device ends upgraded.
func TestPowerCutAtEveryStatus(t *testing.T) {
	t.Parallel()
	row, _ := scenario.PowerCut.Row()
	text := strings.Replace(base, "count: 20", "count: 4", 1) + "faults:\n"
	for _, at := range row.Places {
		switch status, _ := at.Status(); {
		case status.Failed(): // reached with a fault of its own
			text += fmt.Sprintf("  - {name: sick-%s, at: health, do: unhealthy, chance: 100%%}\n", at)
		case status == ota.NoUpdateRequired:
			continue
		}
		text += fmt.Sprintf("  - {name: at-%s, at: %s, do: power_cut, chance: 100%%, times: 2}\n", at, at)
	}
	text += "  - {name: noise, at: downloading, do: corrupt, chance: 100%}\n"
	text += "expect: {devices: {upgraded: 4}, reports: {lost: 0, conflicting: 0, illegal: 0}}\n"
	v := simulate(t, text)
	held(t, v)
	for _, f := range v.Figures.Faults {
		if f.Name != "at-download_failed" { // these downloads do not fail
			assert.GreaterOrEqual(t, f.Fired, 4, f.Name)
		}
	}
}

// TestNoByteTwice counts what is downloaded through cuts of line and power: each
// byte once.
func TestNoByteTwice(t *testing.T) {
	t.Parallel()
	v := simulate(t, base+`
faults:
  - {name: lossy, at: downloading, do: drop, chance: 100%, times: 2, after: 10%..90%}
  - {name: brown-out, at: downloading, do: power_cut, chance: 100%, times: 2, after: 10%..90%, for: 50ms}
expect: {devices: {upgraded: 20}, reports: {lost: 0}}
`)
	held(t, v)
	motor := v.Figures.Bytes/20 - 130000
	assert.Equal(t, 20*(130000+motor), v.Figures.Bytes)
	assert.InDelta(t, 20000, motor, 200, "random bytes do not compress")
	assert.Equal(t, 40, v.Figures.PowerCuts)
}

func TestExpectationFails(t *testing.T) {
	t.Parallel()
	v := simulate(t, base+`expect: {devices: {upgraded: "< 5%"}, faults: {fired: all}, time: {upgrade: {p50: "< 0s"}}}`)
	assert.False(t, v.Held)
	var failed []string
	for _, e := range v.Expectations {
		if !e.Held {
			failed = append(failed, e.Name)
		}
	}
	assert.Equal(t, []string{"devices.upgraded < 5%", "time.upgrade.p50 < 0s", "faults.fired: all"}, failed,
		"there is no fault")
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := parse(t, edit(t, "count: 20", "count: 20\n    arrive: {over: 4m}"))
	v, err := simulator.Simulate(ctx, &real.World{}, simulator.Options{Scenario: s, Started: func(r simulator.Run) {
		go func() {
			for r.Snapshot().Arrived < 2 {
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
		}()
	}})
	require.NoError(t, err)
	assert.True(t, v.Interrupted)
	assert.False(t, v.Held)
	checkSums(t, v)
	assert.Positive(t, v.Figures.Classes[scenario.Unaccounted])

	v, err = simulator.Simulate(ctx, &real.World{}, simulator.Options{Scenario: s})
	require.NoError(t, err, "interrupted before it began")
	assert.True(t, v.Interrupted)
}

// TestNoDeviceIsReachable runs against a broker that hangs up on every device, to the
// end of its time.
func TestNoDeviceIsReachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	s := parse(t, edit(t, "duration: 20m", "duration: 3s")+"expect: {devices: {unreachable: 20, upgraded: 0}}")
	began := time.Now()
	v, err := simulator.Simulate(t.Context(), &real.World{BrokerURL: "mqtt://" + listener.Addr().String(),
		Trust: anybody()}, simulator.Options{Scenario: s})
	require.NoError(t, err)
	held(t, v)
	assert.GreaterOrEqual(t, time.Since(began), 3*time.Second, "a device might have come yet")
	assert.Zero(t, v.Figures.Sessions)
}

func anybody() *wire.Trust { return &wire.Trust{AllowUnsigned: true} }

// TestRunsEndWhenNothingMoves: a fleet that stays where it is does not use up
// the run's time.
func TestRunsEndWhenNothingMoves(t *testing.T) {
	t.Parallel()
	withoutPlans, _, _ := strings.Cut(base, "plans:")
	tests := []struct {
		name string
		text string
		want verdict.Counts
	}{
		{"low battery", edit(t, "40..90", "10..20"), verdict.Counts{scenario.Refused: 20}},
		{"weak signal", edit(t, "-100..-60", "-130..-120"), verdict.Counts{scenario.Refused: 20}},
		{"no plan", withoutPlans, verdict.Counts{scenario.NotUpgraded: 20}},
		{"other versions", edit(t, "size: 130000", "sources: [0.9.0], size: 130000"),
			verdict.Counts{scenario.NotUpgraded: 20}},
		{"nothing to do", edit(t, "target: 1.1.0", "target: 1.0.0", "target: 3_1", "target: 3_0"),
			verdict.Counts{scenario.NoUpdateRequired: 20}},
		{"no user asked", edit(t, "size: 20000, encoding: zstd, chunk: 4KiB}", "size: 20000}\n    mode: manual"),
			verdict.Counts{scenario.NotUpgraded: 20}},
		{"one component is up to date", edit(t, "target: 3_1", "target: 3_0"), verdict.Counts{scenario.Upgraded: 20}},
		{"never healthy", base + "faults: [{name: sick, at: health, do: unhealthy, chance: 100%, times: 100}]\n",
			verdict.Counts{scenario.UpgradeFailed: 20}},
		{"refused for a while", base + "faults: [{name: busy, at: plan_received, do: refuse, chance: 100%, for: 2s}]\n",
			verdict.Counts{scenario.Upgraded: 20}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := simulate(t, tt.text)
			held(t, v)
			assert.Equal(t, tt.want, ended(v))
			assert.Less(t, v.Figures.Duration, 15*time.Minute)
			assert.Zero(t, v.Figures.Reports.Lost)
		})
	}
}

// TestSeveralPlans lets one plan follow the other: the run goes on until the
// last, and one that had nothing to do hides none that had.
func TestSeveralPlans(t *testing.T) {
	t.Parallel()
	v := simulate(t, base+`
  - name: summer
    product: gw-200
    components: [{id: rootfs, package: full, sources: [1.1.0], target: 1.2.0, size: 30000}]
  - name: again
    product: gw-200
    components: [{id: motor, package: full, target: 3_1, size: 20000, encoding: zstd, chunk: 4KiB}]
expect: {devices: {upgraded: 20}, reports: {lost: 0, conflicting: 0}}
`)
	held(t, v)
	assert.GreaterOrEqual(t, v.Figures.Bytes, int64(20*(130000+20000+30000)))
}

// TestNoGoroutineIsLeft lets runs end in the middle of everything.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	text := edit(t, "duration: 20m", "duration: 1s", "10ms..50ms", "10ms..2s") + `
faults:
  - {name: shaky, at: connect, do: drop, chance: 50%, after: 1s..10s}
  - {name: brown-out, at: upgrading, do: power_cut, chance: 50%, after: 0%..100%, for: 100ms..10s}
  - {name: tired, at: plan_received, do: refuse, chance: 20%, for: 1m}
`
	simulate(t, text)
	for deadline := time.Now().Add(2 * time.Minute); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "%d goroutines before, and now:\n%s", before, stacks())
	}
}

func stacks() string {
	all := make([]byte, 1<<20)
	return string(all[:runtime.Stack(all, true)])
}

// TestSameSeedSameDraws compares what was drawn, which timing must not change.
func TestSameSeedSameDraws(t *testing.T) {
	t.Parallel()
	s := parse(t, base+`
faults:
  - {name: a, at: downloading, do: corrupt, chance: 50%}
  - {name: b, at: downloading, do: http_status, chance: 30%, times: 1..2}
`)
	drawn := func(seed uint64) []int {
		v, err := simulator.Simulate(t.Context(), &real.World{}, simulator.Options{Scenario: s, Seed: seed})
		require.NoError(t, err)
		var counts []int
		for _, f := range v.Figures.Faults {
			counts = append(counts, f.Drawn, f.Fired)
		}
		return append(counts, int(v.Seed))
	}
	first := drawn(11)
	assert.Equal(t, first, drawn(11))
	assert.NotEqual(t, first, drawn(12))
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	s := parse(t, base)
	tests := []struct {
		world real.World
		want  string
	}{
		{real.World{FakePlatform: true}, "give a broker URL"},
		{real.World{BrokerURL: "mqtt://127.0.0.1"}, "a real platform signs with its own keys"},
		{real.World{BrokerURL: "mqtt://127.0.0.1", Trust: &wire.Trust{}}, "key"},
		{real.World{BrokerURL: "http://127.0.0.1", Trust: anybody()}, "must be mqtt or mqtts"},
		{real.World{BrokerURL: "nonsense", Trust: anybody()}, "must be mqtt or mqtts"},
		{real.World{BrokerURL: "mqtt://127.0.0.1:1", FakePlatform: true,
			Sources: []netip.Addr{netip.MustParseAddr("192.0.2.7")}}, "cannot use the source address 192.0.2.7"},
		{real.World{Prefix: "a/#"}, "prefix"},
	}
	for _, tt := range tests {
		_, err := simulator.Simulate(t.Context(), &tt.world, simulator.Options{Scenario: s})
		require.ErrorContains(t, err, tt.want)
	}
	_, err := simulator.Simulate(t.Context(), &real.World{}, simulator.Options{})
	require.ErrorContains(t, err, "no scenario is given")
	shards := &real.World{FakePlatform: true, BrokerURL: "mqtt://127.0.0.1:1"}
	err = shards.Validate(&simulator.Options{Scenario: s, Devices: pick(t, s, selection.Shard{Index: 1, Of: 2})})
	require.ErrorContains(t, err, "a prefix of its own")
	err = (&real.World{FakePlatform: true, Prefix: "+"}).Validate(
		&simulator.Options{Scenario: s, Devices: pick(t, s, selection.Shard{})})
	assert.Len(t, slices.DeleteFunc(strings.Split(err.Error(), "\n"), func(line string) bool { return line == "" }), 2,
		"all at once: %s", err)
}
