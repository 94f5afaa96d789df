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

// inDialect runs a scenario with devices that speak a dialect with the fake platform, and
// with packages as the dialect has them: quecthing's are not compressed.
func inDialect(t *testing.T, d model.Dialect, text string) *verdict.Verdict {
	t.Helper()
	if d == model.QuecThing {
		text = strings.Replace(text, ", encoding: zstd", "", 1)
	}
	v, err := simulator.Simulate(t.Context(), &real.World{}, simulator.Options{Scenario: parse(t, text), Dialect: d})
	require.NoError(t, err)
	checkSums(t, v)
	return v
}

// everyDialect runs a test with each dialect beside the native one.
func everyDialect(t *testing.T, test func(t *testing.T, d model.Dialect)) {
	t.Helper()
	for _, d := range []model.Dialect{model.HawkBit, model.QuecThing} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

// TestDialects upgrades devices in each dialect, also against the odds.
func TestDialects(t *testing.T) {
	t.Parallel()
	// What only one dialect can have: a bad signature, which needs a signed manifest, and a
	// spoilt byte, which costs a whole file where there is none.
	own := map[model.Dialect]string{
		model.HawkBit:   "  - {name: forger, at: upgrade_confirmed, do: bad_signature, exactly: 20%}\n",
		model.QuecThing: "  - {name: bad-line, at: downloading, do: corrupt, exactly: 20%}\n",
	}
	everyDialect(t, func(t *testing.T, d model.Dialect) {
		for name, more := range map[string]string{
			"in peace": "",
			"many faults": `
faults:
  - {name: shaky, at: connect, do: drop, exactly: 30%, times: 1..2, after: 50ms}
  - {name: lossy, at: downloading, do: drop, exactly: 30%, times: 1..2, after: 10%..90%}
  - {name: late, at: downloading, do: url_expired, exactly: 20%, after: 40%}
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 20%, after: 0%..100%, for: 100ms}
  - {name: sick, at: health, do: unhealthy, exactly: 20%}
  - {name: weak, at: plan_received, do: refuse, reason: battery_low, exactly: 20%, for: 100ms}
` + own[d],
			"what they connect to is away": "events: [{at: 100ms, do: kill_broker, for: 1s}]\n",
			"the platform is away":         "events: [{at: 100ms, do: kill_platform, for: 1s}]\n",
			"the store is away":            "events: [{at: 100ms, do: kill_store, for: 1s}]\n",
			"addresses are revoked":        "events: [{at: 100ms, do: expire_addresses}]\n",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fired := ""
				if strings.Contains(more, "faults:") {
					fired = "  faults: {fired: all}\n"
				}
				v := inDialect(t, d, base+more+`
expect:
  devices: {upgraded: 20}
  components: {rootfs: {upgrade_succeeded: 20}, motor: {upgrade_succeeded: 20}}
  reports: {lost: 0, conflicting: 0, illegal: 0, undelivered: 0}
`+fired)
				held(t, v)
				assert.Equal(t, v.Figures.Reports.Numbered, v.Figures.Reports.Stored)
			})
		}
	})
}

// TestDialectsOtherEnds: refusals and failures end as with the native dialect.
func TestDialectsOtherEnds(t *testing.T) {
	t.Parallel()
	sick := "    retries: 1\nfaults: [{name: sick, at: health, do: unhealthy, chance: 100%, times: 100}]\n"
	everyDialect(t, func(t *testing.T, d model.Dialect) {
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
				v := inDialect(t, d, tt.text)
				assert.Equal(t, verdict.Counts{tt.want: 20}, ended(v))
				assert.Zero(t, v.Figures.Reports.Lost)
			})
		}
	})
}
