#!/usr/bin/env bash
# Runs a soak on real sockets for SOAK (1h, at least 40m): three hundred devices with the
# embedded platform, and a plan that comes again every minute, while sessions break and
# reports come twice. What memory and times do over the run is judged, and shown window by
# window in soak.json and soak.html in .cache/soak. A device remembers its last eight plans
# whole, so memory is warm after nine rounds: a shorter run tells nothing of it.
# Everything happens on the loopback.
set -euo pipefail
cd "$(dirname "$0")/.."

out=.cache/soak
mkdir -p "$out"
cat >"$out/soak.yaml" <<EOF
scenario: soak
description: Gateways are upgraded every minute, while sessions break and reports come twice, and nothing grows.
duration: ${SOAK:-1h}
fleet:
  - name: gateways
    count: 300
    product: gw-200
    components:
      - {id: rootfs, type: module, version: 1.0.0}
      - {id: motor, type: mcu, version: "3_0"}
    link: {bandwidth: 1MiB/s, latency: 20ms}
    arrive: {over: 20s}
    install: {time: 2s..8s}
plans:
  - name: rolling
    product: gw-200
    components:
      - {id: rootfs, package: full, target: 1.1.0, size: 128KiB}
      - {id: motor, package: full, target: "3_1", size: 32KiB}
    starts: 30s
    repeat: {every: 1m}
events:
  - {at: 4m, do: reconnect_storm}
  - {at: 19m, do: reconnect_storm}
  - {at: 34m, do: reconnect_storm}
faults:
  - {name: twice, at: report, do: duplicate, chance: 20%, times: 1000}
expect:
  devices: {upgraded: "== 100%"}
  reports: {lost: 0, out_of_order: 0, conflicting: 0, illegal: 0}
  platform: {plans: {rolling: {upgraded: "== 100%", finished: true}}}
  windows: {held: "== 100%"}
  drift: {memory: "<= 5%", upgrade: {p50: "<= 25%"}}
  faults: {fired: all}
EOF
bin/ota-sim run "$out/soak.yaml" --json "$out/soak.json" --html "$out/soak.html"
