package virtual_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// TestHawkBitIsRepeated holds that devices that poll do the same for the same seed, as
// others do.
func TestHawkBitIsRepeated(t *testing.T) { isRepeated(t, bundled(t, "million", 300), model.HawkBit) }

// TestHawkBitEndsAsNative holds that devices end in the same classes, whichever dialect
// they speak.
func TestHawkBitEndsAsNative(t *testing.T) {
	endAsNative(t, model.HawkBit, "bad-flash", "bad-line", "broker-outage", "busy-storage", "corrupt-mirror", "crash",
		"expired-addresses", "gateway", "half-open", "long-download", "never-online", "on-failure", "partition",
		"plan-after-plan", "plan-terminated", "platform-restart", "reconnect-storm", "refusals", "retry-after-failure",
		"store-outage", "unhealthy", "vanish", "wrong-hardware", "wrong-signature", "wrong-version")
}

// TestWhatHawkBitCannotSay is refused before anything runs.
func TestWhatHawkBitCannotSay(t *testing.T) {
	_, err := simulator.Simulate(t.Context(), virtual.World{},
		simulator.Options{Scenario: bundled(t, "manual-mode", 0), Dialect: model.HawkBit})
	require.ErrorContains(t, err, "plans.spring.mode")
	_, err = simulator.Simulate(t.Context(), virtual.World{},
		simulator.Options{Scenario: bundled(t, "happy", 0), Dialect: "mender"})
	require.ErrorContains(t, err, "want native or hawkbit or quecthing")
}

// polling is a device that polls for a plan whose installation takes a while.
const polling = `
scenario: polling
platform: hawkbit
duration: 5m
fleet:
  - name: gw
    count: 1
    product: gw-200
    components: [{id: app, type: module, version: "1"}]
    link: {latency: 20ms, bandwidth: 64KiB/s}
    install: {time: 20s}
plans: [{name: spring, product: gw-200, components: [{id: app, package: full, target: "2", size: 1MiB}]}]
faults: [{name: trouble, chance: 100%, `

// TestWireFaults lets a platform that is polled answer badly: the device bears it.
func TestWireFaults(t *testing.T) {
	for fault, want := range map[string]scenario.Class{
		"do: http_status, at: poll, status: 503, for: 30s":                    scenario.Upgraded,
		"do: http_status, at: poll, status: 429, retry_after: 20s":            scenario.Upgraded,
		"do: http_status, at: poll, status: 404, times: 3":                    scenario.Upgraded,
		"do: http_status, at: report, status: 503, for: 30s":                  scenario.Upgraded,
		"do: http_status, at: report, status: 401, times: 5":                  scenario.Upgraded,
		"do: http_status, at: report, status: 409, times: 7":                  scenario.Upgraded,
		"do: http_status, at: report, status: 429, retry_after: 7s, times: 2": scenario.Upgraded,
		"do: token_expired, at: poll, for: 1m":                                scenario.Upgraded,
		"do: token_expired, at: report, for: 1m":                              scenario.Upgraded,
		"do: cancel, at: downloading":                                         scenario.UpgradeFailed,
		"do: cancel, at: upgrading, after: 5s":                                scenario.Upgraded,
	} {
		t.Run(fault, func(t *testing.T) {
			s, err := scenario.Parse("polling.yaml", []byte(polling+fault+"}]\nexpect: {faults: {fired: all}, "+
				"platform: {mistaken: 0, finished: true}}\n"))
			require.NoError(t, err)
			var all []verdict.Event
			v := simulate(t, simulator.Options{Scenario: s, History: sink(func(some []verdict.Event) {
				all = append(all, some...)
			})})
			assert.True(t, v.Held)
			for _, e := range v.Expectations {
				assert.True(t, e.Held, "%s: %s", e.Name, e.Measured)
			}
			assert.Equal(t, 1, v.Figures.Classes[want], v.Figures.Classes)
			if t.Failed() {
				for _, e := range all {
					t.Log(e)
				}
			}
		})
	}
}

// TestForgottenAction: a device drops an action that its platform does not know any more,
// and says so, once, if it is shown all the same.
func TestForgottenAction(t *testing.T) {
	s, err := scenario.Parse("polling.yaml", []byte(polling+"do: http_status, at: report, status: 410}]\n"))
	require.NoError(t, err)
	v := simulate(t, simulator.Options{Scenario: s})
	assert.Equal(t, 1, v.Figures.Classes[scenario.UpgradeFailed], v.Figures.Classes)
	assert.Equal(t, 1, v.Figures.Codes[string(ota.PlanTerminated)])
	assert.Equal(t, map[string]int{"declined": 1}, v.Figures.Refusals)
	assert.Zero(t, v.Figures.Reports.Lost)
}

// TestPatience: a device that is asked to wait waits.
func TestPatience(t *testing.T) {
	all := events(t, polling+"do: http_status, at: poll, status: 429, retry_after: 40s}]\n")
	assert.Greater(t, when(all, verdict.Connected)[0], 40*time.Second)
}

// BenchmarkHawkBitDevice is BenchmarkDevice with devices that poll hawkBit.
func BenchmarkHawkBitDevice(b *testing.B) {
	s := bundled(b, "million", max(1000, b.N))
	b.ReportAllocs()
	b.ResetTimer()
	_, err := simulator.Simulate(b.Context(), virtual.World{Workers: 1}, simulator.Options{Scenario: s,
		Dialect: model.HawkBit})
	if err != nil {
		b.Fatal(err)
	}
}
