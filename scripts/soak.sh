#!/usr/bin/env bash
# Runs a soak on real sockets for SOAK (10m): three hundred devices with the embedded
# platform, on lines that break now and then, and a plan that comes again every half a
# minute. What memory and times do over the run is judged, and shown window by window in
# soak.json and soak.html in .cache/soak. Everything happens on the loopback.
set -euo pipefail
cd "$(dirname "$0")/.."

out=.cache/soak
mkdir -p "$out"
cat >"$out/soak.yaml" <<EOF
scenario: soak
description: Gateways on lines that break now and then are upgraded again and again, and nothing grows.
duration: ${SOAK:-10m}
fleet:
  - name: gateways
    count: 300
    product: gw-200
    components:
      - {id: rootfs, type: module, version: 1.0.0}
      - {id: motor, type: mcu, version: "3_0"}
    link: {bandwidth: 1MiB/s, latency: 20ms}
    arrive: {over: 10s}
    install: {time: 1s..4s}
plans:
  - name: rolling
    product: gw-200
    components:
      - {id: rootfs, package: full, target: 1.1.0, size: 128KiB}
      - {id: motor, package: full, target: "3_1", size: 32KiB}
    starts: 15s
    repeat: {every: 30s}
faults:
  - {name: flaky-line, at: connect, do: drop, chance: 20%, times: 1000, after: 1m..5m, for: 1s..3s}
expect:
  devices: {upgraded: ">= 99%"}
  reports: {lost: 0, out_of_order: 0, conflicting: 0, illegal: 0}
  windows: {held: ">= 90%"}
  drift: {memory: "<= 5%", upgrade: {p50: "<= 25%"}}
EOF
bin/ota-sim run "$out/soak.yaml" --json "$out/soak.json" --html "$out/soak.html"
