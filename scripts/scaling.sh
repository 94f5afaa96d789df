#!/usr/bin/env bash
# Measures how processor time and memory of both programs grow with their work
# (test/scaling), and prints a table. Arguments are those of test/scaling: --only EXPRESSION
# leaves studies out, --most N sizes, --check fails where something grows by far more than
# its units. Real devices connect to mosquitto.
# Everything happens on the loopback and in a temporary directory.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

build_sim
scripts/build.sh ota-agent "$work/ota-agent"
go build -o "$work/flood" ./test/flood
go build -o "$work/scaling" ./test/scaling
port=${SCALING_PORT:-18885}
start_mosquitto "$port"
"$work/scaling" --sim "$work/ota-sim" --agent "$work/ota-agent" --flood "$work/flood" \
	--broker "mqtt://127.0.0.1:$port" "$@"
