package real_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/real"
)

func TestHawkBitGateways(t *testing.T) {
	t.Parallel()
	held(t, inDialect(t, model.HawkBit, site+`
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
