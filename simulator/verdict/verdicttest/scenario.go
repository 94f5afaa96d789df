package verdicttest

import (
	"fmt"

	"otafleet/simulator/scenario"
)

// Fleets is the text of a scenario of two fleets with so many devices in all,
// several faults and many kinds of expectations.
func Fleets(devices int) string {
	return fmt.Sprintf(`scenario: two-fleets
description: Gateways on a bad line and cameras get a new system and a new motor firmware,
  some of them against the odds.
seed: 42
duration: 10m
fleet:
  - name: gateways
    count: %d
    product: gw-200
    components: &parts [{id: rootfs, type: module, version: 1.0.0}, {id: motor, type: mcu, version: "3_0"}]
    arrive: {over: 60s}
    install: {time: 5s..20s}
  - name: cameras
    count: %d
    product: gw-200
    components: *parts
    arrive: {over: 30s, after: 20s}
    install: {time: 3s..9s}
plans:
  - name: spring
    product: gw-200
    components:
      - {id: rootfs, package: full, target: 1.1.0, size: 1MiB}
      - {id: motor, package: full, target: "3_1", size: 64KiB}
events:
  - {at: 40s, do: kill_broker, for: 10s}
faults:
  - {name: lossy-line, fleet: gateways, at: downloading, do: drop, chance: 20%%, for: 2s}
  - {name: brown-out, at: upgrading, do: power_cut, chance: 5%%, for: 10s}
  - {name: flaky-health, at: health, do: unhealthy, chance: 3%%}
  - {name: bad-mirror, at: downloading, do: corrupt, exactly: 2%%}
expect:
  devices:
    upgraded: ">= 95%%"
    unaccounted: 0
    cameras: {upgraded: ">= 90%%"}
  components: {motor: {upgrade_succeeded: ">= 90%%"}}
  reports: {lost: 0, out_of_order: 0}
  time:
    upgrade: {p99: "< 3m"}
    decide: {p95: "< 2s"}
  faults: {fired: all}
  never:
    - {name: no success after a failure, event: stored, status: upgrade_succeeded, after: {event: upgrade_failed}}
  always:
    - {name: back after a cut, event: power_cut, then: {event: connected}, within: 1m}
`, devices-devices/5, devices/5)
}

// Uplink is the text of a scenario of gateways and cameras with two faults, and of
// what is expected of it.
func Uplink(gateways, cameras int, expect string) string {
	return fmt.Sprintf(`
scenario: flaky-uplink
description: Gateways on a bad line all end upgraded.
seed: 42
duration: 10m
fleet:
  - name: gateways
    count: %d
    product: p
    components: [{id: rootfs, type: module, version: "1"}, {id: motor, type: mcu, version: "1"}]
  - name: cameras
    count: %d
    product: q
    components: [{id: rootfs, type: module, version: "1"}]
faults:
  - {name: lossy-line, at: downloading, do: drop, chance: 20%%}
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 50%%}
expect: `, gateways, cameras) + expect
}

// Parse reads a scenario that is known to be good.
func Parse(text string) *scenario.Scenario {
	s, err := scenario.Parse("sample.yaml", []byte(text))
	if err != nil {
		panic(err)
	}
	return s
}
