package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// outlook is a scenario with something of everything that a plan shows.
const outlook = `
scenario: outlook
description: Something of everything.
seed: 42
duration: 2m
fleet:
  - name: gateways
    count: 100
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
    link: {bandwidth: 2MiB/s, latency: 80ms}
    arrive: {over: 20s, after: 20s}
  - {name: cameras, count: 50, product: cam, components: [{id: app, type: module, version: "7"}]}
  - {name: probes, count: 300, product: probe, behind: gateways, components: [{id: sensor, type: mcu, version: "1"}]}
plans:
  - name: spring
    product: gw-200
    components: [{id: app, package: full, target: 1.1.0, size: 1MiB}]
    conditions: {min_battery: 30, min_rssi: -100}
    retries: 1
  - name: lens
    product: cam
    mode: manual
    users: {confirm: 90%, cancel: 5%, after: 1s}
    components: [{id: app, package: full, target: "8", size: 1KiB}]
    starts: 10s
    ends: 1m
  - {name: spring-2, product: probe, mode: manual, components: [{id: sensor, package: full, target: "2", size: 1KiB}]}
events:
  - {at: 1m, do: reconnect_storm, fleet: gateways}
  - {at: 30s, do: suspend_plan, plan: spring, for: 10s}
faults:
  - {name: lossy, at: downloading, do: drop, chance: 50%, times: 2}
  - {name: dark, fleet: cameras, at: upgrading, do: power_cut, exactly: 10%}
`

// TestPlan shows everything that a run will do.
func TestPlan(t *testing.T) {
	path := file(t, "outlook.yaml", outlook)
	o := sim(t, "plan", path)
	require.Equal(t, cli.OK, o.code, o.err)
	want := `outlook: 450 devices, seed 42, at most 2m
Something of everything.

Fleets
  gateways              100  gw-200 with app 1.0.0, 2MiB/s, 80ms away
  cameras                50  cam with app 7
  probes                300  probe with sensor 1, behind gateways

Arrivals
  0s █                   ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃ 39.8s, at most 50 within a second

Plans
  spring           gw-200: app to 1.1.0 (full, 1.0 MiB); silent, 1 retry, battery from 30%, signal from -100 dBm
  lens             cam: app to 8 (full, 1.0 KiB); manual, 5 retries, 90% of users confirm, 5% cancel, from 10s, until 1m
  spring-2         probe: sensor to 2 (full, 1.0 KiB); manual, 5 retries, no one answers

Events
  30s              suspend_plan spring for 10s
  1m               reconnect_storm gateways

`
	head, rest, _ := strings.Cut(o.out, "Faults ")
	assert.Equal(t, want, head)
	assert.Regexp(t,
		`\n  lossy +drop at downloading +chance 50% +(\d+) +(\d+)\n    gateways +\d+ +\d+\n    cameras +\d+ +\d+\n`, rest)
	assert.Regexp(t, `\n  dark +power_cut at upgrading +exactly 10% +5 +5\n\n`, rest)
	assert.Contains(t, rest, "  ✓ open files     900 of ")
	assert.Contains(t, rest, "  ✓ ports          150 of ", "probes have none of their own")
	assert.Regexp(t, `\nIt fits:\n\n  \S+ run `+regexp.QuoteMeta(path)+`\n$`, rest)
}

// TestPlanIsWhatHappens holds the draws against those of runs: of all devices, of
// a shard, of one.
func TestPlanIsWhatHappens(t *testing.T) {
	t.Parallel()
	text := strings.Replace(small, "count: 3", "count: 30", 1) + `faults:
  - {name: ill, at: health, do: unhealthy, chance: 50%, times: 1..3}
  - {name: broken, at: downloading, do: http_status, exactly: 30%}
`
	path := file(t, "small.yaml", text)
	drawn := regexp.MustCompile(`(?m)^  (ill|broken) .* (\d+) +\d+$`)
	for _, flags := range [][]string{nil, {"--seed", "9"}, {"--shard", "2/3"},
		{"--only", "gw-000007", "--only", "gw-000008"}} {
		planned := sim(t, append([]string{"plan", path}, flags...)...)
		require.Equal(t, cli.OK, planned.code, planned.err)
		want := map[string]string{}
		for _, match := range drawn.FindAllStringSubmatch(planned.out, -1) {
			want[match[1]] = match[2]
		}
		out := filepath.Join(t.TempDir(), "v.json")
		sim(t, append([]string{"run", "--quiet", "--json", out, path}, flags...)...)
		content, err := os.ReadFile(out)
		require.NoError(t, err)
		var v struct {
			Faults []struct {
				Name  string
				Drawn json.Number
			}
		}
		require.NoError(t, json.Unmarshal(content, &v))
		got := map[string]string{}
		for _, f := range v.Faults {
			got[f.Name] = f.Drawn.String()
		}
		assert.Equal(t, want, got, flags)
		_, command, _ := strings.Cut(planned.out, "\nIt fits:\n\n  ")
		for _, flag := range flags {
			assert.Contains(t, command, flag)
		}
	}
	part := sim(t, "plan", path, "--shard", "2/3", "--only", "gw-000002")
	assert.Contains(t, part.out, "small: 1 device (shard 2/3, gw-000002 only, of 30), seed 1")
	assert.Contains(t, part.out, "\nArrivals\n  all at once\n")
}
