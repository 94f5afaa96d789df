#!/usr/bin/env bash
# Runs the bundled scenario "ten-thousand" against Debian's mosquitto: ten
# thousand virtual devices in one process, each with its own TCP connection, and
# the fake platform beside them. Prints the verdict with the process's peak
# memory; --json goes to FLEET_JSON if that is set. Everything happens on the
# loopback.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

build_sim
port=${FLEET_PORT:-18883}
start_mosquitto "$port"
"$work/ota-sim" run ten-thousand --broker "mqtt://127.0.0.1:$port" --fake-platform ${FLEET_JSON:+--json "$FLEET_JSON"}
