package real_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// byHawkBit runs a scenario with devices that poll the fake platform as hawkBit.
func byHawkBit(t *testing.T, text string) *verdict.Verdict {
	t.Helper()
	v, err := simulator.Simulate(t.Context(), &real.World{},
		simulator.Options{Scenario: parse(t, text), Dialect: model.HawkBit})
	require.NoError(t, err)
	checkSums(t, v)
	return v
}

func TestHawkBit(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{
		"in peace": "",
		"many faults": `
faults:
  - {name: shaky, at: connect, do: drop, exactly: 30%, times: 1..2, after: 50ms}
  - {name: lossy, at: downloading, do: drop, exactly: 30%, times: 1..2, after: 10%..90%}
  - {name: late, at: downloading, do: url_expired, exactly: 20%, after: 40%}
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 20%, after: 0%..100%, for: 100ms}
  - {name: sick, at: health, do: unhealthy, exactly: 20%}
  - {name: forger, at: upgrade_confirmed, do: bad_signature, exactly: 20%}
  - {name: weak, at: plan_received, do: refuse, reason: battery_low, exactly: 20%, for: 100ms}
`,
		"hawkBit is away":       "events: [{at: 100ms, do: kill_broker, for: 1s}]\n",
		"the platform is away":  "events: [{at: 100ms, do: kill_platform, for: 1s}]\n",
		"the store is away":     "events: [{at: 100ms, do: kill_store, for: 1s}]\n",
		"addresses are revoked": "events: [{at: 100ms, do: expire_addresses}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fired := ""
			if strings.Contains(more, "faults:") {
				fired = "  faults: {fired: all}\n"
			}
			v := byHawkBit(t, base+more+`
expect:
  devices: {upgraded: 20}
  components: {rootfs: {upgrade_succeeded: 20}, motor: {upgrade_succeeded: 20}}
  reports: {lost: 0, conflicting: 0, illegal: 0, undelivered: 0}
`+fired)
			held(t, v)
			assert.Equal(t, v.Figures.Reports.Numbered, v.Figures.Reports.Stored)
		})
	}
}

// TestHawkBitOtherEnds: refusals and failures end as with the native dialect.
func TestHawkBitOtherEnds(t *testing.T) {
	t.Parallel()
	sick := "    retries: 1\nfaults: [{name: sick, at: health, do: unhealthy, chance: 100%, times: 100}]\n"
	for _, tt := range []struct {
		name, text string
		want       scenario.Class
	}{
		{"refused", edit(t, "40..90", "10..20"), scenario.Refused},
		{"failed", base + sick, scenario.UpgradeFailed},
		{"up to date", edit(t, "version: 1.0.0", "version: 1.1.0", "version: 3_0", "version: 3_1"),
			scenario.NoUpdateRequired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := byHawkBit(t, tt.text)
			assert.Equal(t, verdict.Counts{tt.want: 20}, ended(v))
			assert.Zero(t, v.Figures.Reports.Lost)
		})
	}
}

func TestHawkBitGateways(t *testing.T) {
	t.Parallel()
	held(t, byHawkBit(t, site+`
faults:
  - {name: brown-out, fleet: gw, at: downloading, do: power_cut, after: 50%, for: 500ms, chance: 100%}
  - {name: dark, fleet: sensor, at: upgrading, do: power_cut, after: 0%..100%, for: 100ms, chance: 100%}
expect:
  devices: {upgraded: 9}
  reports: {lost: 0}
`))
}

// TestNotInHawkBit: what hawkBit cannot say is refused before the run, by its key.
func TestNotInHawkBit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ more, want string }{
		{"    mode: manual\n", "plans.spring.mode: hawkBit knows no user"},
		{"    window: 1-5\n", "plans.spring.window: hawkBit has no hours"},
		{"    rejection: 10m\n", "plans.spring.rejection: hawkBit has no pause"},
		{"  - {name: late, product: gw-200, components: [{id: rootfs, package: full, target: 1.2.0, size: 1}]}\n",
			"plans.late.conditions: hawkBit does not carry it, and devices of fleet gw"},
		{"faults: [{name: echo, at: report, do: duplicate, chance: 1%}]\n", "faults.echo (duplicate at report)"},
	} {
		_, err := simulator.Simulate(t.Context(), &real.World{},
			simulator.Options{Scenario: parse(t, base+tt.more), Dialect: model.HawkBit})
		require.ErrorContains(t, err, tt.want)
	}
	world := real.World{BrokerURL: "mqtt://127.0.0.1", Prefix: "x"}
	_, err := simulator.Simulate(t.Context(), &world, simulator.Options{Scenario: parse(t, base), Dialect: model.HawkBit})
	require.ErrorContains(t, err, "--broker is for --platform native")
	require.ErrorContains(t, err, "--prefix is for --platform native")
	_, err = simulator.Simulate(t.Context(), &real.World{},
		simulator.Options{Scenario: parse(t, base), Dialect: "mender"})
	require.ErrorContains(t, err, "the real world has no devices that speak mender")
}
