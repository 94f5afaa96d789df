#!/usr/bin/env bash
# Runs the bundled scenario "ten-thousand" against Debian's mosquitto: ten
# thousand virtual devices in one process, each with its own TCP connection, and
# the stand-in platform beside them. Prints the verdict with the process's peak
# memory; --json goes to FLEET_JSON if that is set. Everything happens on the
# loopback.
set -euo pipefail
cd "$(dirname "$0")/.."

mosquitto=${MOSQUITTO:-/usr/sbin/mosquitto}
[ -x "$mosquitto" ] || { echo "$mosquitto is missing: apt-get install mosquitto" >&2; exit 1; }
work=$(mktemp -d)
broker=
trap 'kill "$broker" 2>/dev/null || true; rm -rf "$work"' EXIT

scripts/build.sh ota-sim "$work/ota-sim"

port=${FLEET_PORT:-18883}
# Without these limits mosquitto would drop what waits for the platform.
cat >"$work/mosquitto.conf" <<CONF
listener $port 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 0
CONF
"$mosquitto" -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
broker=$!
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done

"$work/ota-sim" run ten-thousand --broker "mqtt://127.0.0.1:$port" --stand-in ${FLEET_JSON:+--json "$FLEET_JSON"}
