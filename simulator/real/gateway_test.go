package real_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// site is a scenario of gateways with sensors behind them, and a plan for each.
const site = `
scenario: test
duration: 20m
fleet:
  - name: sensor
    count: 7
    product: sense
    behind: gw
    components: [{id: probe, type: module, version: "1"}]
    install: {time: 10ms..50ms, restart: process}
  - name: gw
    count: 2
    product: gw-200
    components: [{id: app, type: module, version: "1"}]
    link: {latency: 2ms, bandwidth: 1MiB/s}
    install: {time: 10ms..50ms, restart: process}
plans:
  - {name: gateways, product: gw-200, components: [{id: app, package: full, target: "2", size: 130000, chunk: 16KiB}]}
  - {name: sensors, product: sense, components: [{id: probe, package: full, target: "2", size: 130000, chunk: 16KiB}]}
`

func TestGateways(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{
		"in peace": "",
		"the gateway loses its power": "faults: [{name: f, fleet: gw, at: downloading, do: power_cut, after: 50%, " +
			"for: 500ms, chance: 100%, times: 2}]\n",
		"the gateway's line is cut": "faults: [{name: f, fleet: gw, at: connect, do: drop, after: 10ms..300ms, for: " +
			"100ms, chance: 100%, times: 3}]\n",
		"the sensors lose their power": "faults: [{name: f, fleet: sensor, at: upgrading, do: power_cut, after: " +
			"0%..100%, for: 100ms, chance: 100%, times: 2}]\n",
		"the sensors' downloads break": "faults: [{name: f, fleet: sensor, at: downloading, do: corrupt, chance: 100%, " +
			"times: 2}]\n",
		"the sensors' agents die": "faults: [{name: f, fleet: sensor, at: boot, do: crash, after: 10ms..300ms, " +
			"chance: 100%, times: 2}]\n",
		"the broker forgets all sessions": "events: [{at: 200ms, do: kill_broker, for: 500ms}]\n",
		"all gateways connect again":      "events: [{at: 200ms, do: reconnect_storm, fleet: gw}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fired := ""
			if strings.HasPrefix(more, "faults:") {
				fired = ", faults: {fired: all}"
			}
			v := simulate(t, site+more+"expect: {devices: {upgraded: 100%}, reports: {lost: 0, out_of_order: 0, conflicting: "+
				"0, illegal: 0}"+fired+"}\n")
			held(t, v)
		})
	}
}

// TestGatewayVanishes: those behind it do not reach anybody, and the run ends all
// the same.
func TestGatewayVanishes(t *testing.T) {
	t.Parallel()
	v := simulate(t, site+"faults: [{name: f, fleet: gw, at: downloading, do: vanish, after: 50%, chance: 100%}]\n"+
		"expect: {reports: {conflicting: 0}}\n")
	held(t, v)
	assert.Equal(t, verdict.Counts{scenario.Unfinished: 2}, nonzero(v.Figures.Fleets[1].Classes))
	assert.Zero(t, v.Figures.Fleets[0].Classes[scenario.Unaccounted])
}

// TestOnlyBehindAGateway: a sensor that is run by itself has its gateway.
func TestOnlyBehindAGateway(t *testing.T) {
	t.Parallel()
	text := site + "faults: [{name: f, fleet: gw, at: downloading, do: power_cut, after: 50%, chance: 100%}]\n" +
		"expect: {devices: {upgraded: 2}, reports: {lost: 0}}\n"
	s := parse(t, text)
	v, err := simulator.Simulate(t.Context(), &real.World{},
		simulator.Options{Scenario: s, Devices: pick(t, s, selection.Shard{}, "sensor-000003")})
	require.NoError(t, err)
	held(t, v)
	checkSums(t, v)
	assert.Equal(t, 2, v.Figures.Devices)
	assert.Equal(t, 1, v.Figures.Faults[0].Drawn)
	assert.Equal(t, 1, v.Figures.PowerCuts)
}

func TestTooManyBehindAGateway(t *testing.T) {
	t.Parallel()
	text := strings.Replace(site, "count: 7", "count: 2001", 1)
	_, err := simulator.Simulate(t.Context(), &real.World{}, simulator.Options{Scenario: parse(t, text)})
	require.EqualError(t, err, "device gw-000001 would speak for 1001 devices; at most 1000 are possible: give fleet "+
		"gw more devices")
}

func nonzero(c verdict.Counts) verdict.Counts {
	some := verdict.Counts{}
	for class, n := range c {
		if n > 0 {
			some[class] = n
		}
	}
	return some
}
