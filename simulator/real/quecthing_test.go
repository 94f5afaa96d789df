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

// byQuecThing runs a scenario with devices that speak to the fake platform as
// quecthing's do, and with packages as quecthing has them.
func byQuecThing(t *testing.T, text string) *verdict.Verdict {
	t.Helper()
	text = strings.Replace(text, ", encoding: zstd", "", 1)
	v, err := simulator.Simulate(t.Context(), &real.World{},
		simulator.Options{Scenario: parse(t, text), Dialect: model.QuecThing})
	require.NoError(t, err)
	checkSums(t, v)
	return v
}

func TestQuecThing(t *testing.T) {
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
  - {name: bad-line, at: downloading, do: corrupt, exactly: 20%}
  - {name: weak, at: plan_received, do: refuse, reason: battery_low, exactly: 20%, for: 100ms}
`,
		"the broker is away":    "events: [{at: 100ms, do: kill_broker, for: 1s}]\n",
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
			v := byQuecThing(t, base+more+`
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

// TestQuecThingOtherEnds: refusals and failures end as with the native dialect.
func TestQuecThingOtherEnds(t *testing.T) {
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
			v := byQuecThing(t, tt.text)
			assert.Equal(t, verdict.Counts{tt.want: 20}, ended(v))
			assert.Zero(t, v.Figures.Reports.Lost)
		})
	}
}

// TestNotInQuecThing: what quecthing cannot say is refused before the run, by its key.
func TestNotInQuecThing(t *testing.T) {
	t.Parallel()
	plain := edit(t, ", encoding: zstd", "")
	for _, tt := range []struct{ text, want string }{
		{base, "plans.spring.components.motor.encoding: quecthing carries no signed manifest"},
		{plain + "    on_failure: revert\n", "plans.spring.on_failure: quecthing has no words for the roll-back"},
		{edit(t, "size: 130000", "size: 130000, hardware: [a]"),
			"plans.spring.components.rootfs.hardware: quecthing carries"},
		{edit(t, "size: 130000", "size: 130000, release: 7"), "plans.spring.components.rootfs.release: quecthing carries"},
		{edit(t, "size: 130000", "size: 130000, package: delta, sources: [1.0.0]", "package: full, ", ""),
			"plans.spring.components.rootfs.package: quecthing carries"},
		{edit(t, "{id: motor, type: mcu, version: 3_0}", "{id: motor, type: module, version: 3_0}"),
			"fleets.gw.components.motor: a quecthing device is one module"},
		{edit(t, "version: 3_0", `version: "3;0"`), `fleets.gw.components.motor: the version "3;0" of motor cannot be named`},
		{site, "fleets.sensor.behind: quecthing's sub-devices are not published"},
		{plain + "  - {name: late, product: gw-200, on_failure: continue, components: [{id: rootfs, package: full, " +
			"target: 1.2.0, size: 1}]}\n", "plans.late.on_failure: quecthing does not carry it"},
		{plain + "faults: [{name: echo, at: report, do: duplicate, chance: 1%}]\n", "faults.echo (duplicate at report)"},
		{plain + "faults: [{name: forger, at: upgrade_confirmed, do: bad_signature, chance: 1%}]\n",
			"faults.forger (bad_signature at upgrade_confirmed): quecthing carries no signed manifest"},
	} {
		_, err := simulator.Simulate(t.Context(), &real.World{},
			simulator.Options{Scenario: parse(t, tt.text), Dialect: model.QuecThing})
		assert.ErrorContains(t, err, tt.want)
	}
}
