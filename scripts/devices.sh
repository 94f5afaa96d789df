#!/usr/bin/env bash
# Prints what an idle virtual device takes of the simulator's memory, resident:
# with a plain session and with TLS at Debian's mosquitto, and what a session takes
# of the embedded broker. Each is the growth of the process from its first to its
# last connection, with the memory that Go holds in reserve; the peak of the whole
# run stands beside it. Everything happens on the loopback.
#
# DEVICES is how many, 5000 unless set.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

devices=${DEVICES:-5000}
build_sim

# Nothing happens to these devices: a run waits for an event that lies beyond the
# measurement.
idle() { # NUMBER OVER
	cat <<YAML
scenario: idle
seed: 1
duration: 30m
fleet:
  - name: gw
    count: $1
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
    arrive: {over: $2}
events: [{at: 29m, do: reconnect_storm}]
expect: {devices: {upgraded: 0}, reports: {lost: 0}}
YAML
}

# resident PID and peak PID print memory in KiB.
resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$1/status"; }
peak() { awk '$1 == "VmHWM:" { print $2 }' "/proc/$1/status"; }

row() { printf '%-44s %9s %9s %9s\n' "$@"; }

# fleet NUMBER FLAG... starts devices and waits until all are connected.
fleet() {
	idle "$1" "$(($1 / 500 + 1))s" >"$work/idle.yaml"
	"$work/ota-sim" run "$work/idle.yaml" --metrics 127.0.0.1:0 "${@:2}" >"$work/fleet.log" 2>&1 &
	fleet=$!
	pids+=("$fleet")
	until grep -qE " connected $1 " "$work/fleet.log"; do
		kill -0 "$fleet" 2>/dev/null || { cat "$work/fleet.log" >&2; exit 1; }
		sleep 0.2
	done
	sleep 5
}

stop() { kill "$1" && wait "$1" 2>/dev/null || true; }

# each LOW HIGH prints KiB for each device.
each() { awk -v low="$1" -v high="$2" -v n="$((devices - 1))" 'BEGIN { printf "%.1f", (high - low) / n }'; }

# simulator NAME AIM FLAG... prints a row about the simulator's process.
simulator() {
	fleet 1 "${@:3}"
	local low
	low=$(resident "$fleet")
	stop "$fleet"
	fleet "$devices" "${@:3}"
	row "$1" "$(each "$low" "$(resident "$fleet")")" "$(each "$low" "$(peak "$fleet")")" "$2"
	stop "$fleet"
}

start_mosquitto 18890
start_mosquitto_tls 18891
row "KiB for each of $devices idle devices" resident 'at peak' 'at most'
simulator 'virtual device, mqtt' 16.0 --broker mqtt://127.0.0.1:18890 --allow-unsigned
simulator 'virtual device, mqtts' 30.0 --broker mqtts://127.0.0.1:18891 --ca-file "$work/ca.pem" --allow-unsigned

"$work/ota-sim" platform --listen 127.0.0.1:18892 --store-listen 127.0.0.1:0 --page "" >"$work/platform.log" 2>&1 &
platform=$!
pids+=("$platform")
await "$platform" "$work/platform.log" listens 18892
fleet 1 --broker mqtt://127.0.0.1:18892 --allow-unsigned
stop "$fleet"
low=$(resident "$platform")
fleet "$devices" --broker mqtt://127.0.0.1:18892 --allow-unsigned
row 'embedded broker and platform, a session' "$(each "$low" "$(resident "$platform")")" "$(each "$low" "$(peak "$platform")")" 30.0
