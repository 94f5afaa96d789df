#!/usr/bin/env bash
# Compares the peak memory of the ten thousand devices of scripts/fleet.sh when
# they all arrive in one moment with that of when they arrive over 80 seconds, which
# it may exceed by half. Prints both, and
# fails if an expectation of either run did not hold or the herd took more.
# Everything happens on the loopback.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

build_sim
"$work/ota-sim" list ten-thousand >"$work/ramped.yaml"
sed 's/arrive: {over: 80s}/arrive: {herd: true}/' "$work/ramped.yaml" >"$work/herd.yaml"
! cmp -s "$work/ramped.yaml" "$work/herd.yaml"

# run NAME PORT runs a scenario beside a broker of its own.
run() {
	start_mosquitto "$2"
	"$work/ota-sim" run "$work/$1.yaml" --broker "mqtt://127.0.0.1:$2" --fake-platform --json "$work/$1.json" >"$work/$1.log" 2>&1 ||
		{ cat "$work/$1.log" >&2; exit 1; }
}

# figure NAME FIELD prints a number of a verdict.
figure() { grep -oE "\"$2\": *[0-9.]+" "$work/$1.json" | head -1 | grep -oE '[0-9.]+$'; }

row() { printf '%-10s %12s %12s %10s %9s\n' "$@"; }

row arrival 'peak, MiB' 'a device, KiB' 'wall, s' 'cpu, s'
for name in ramped herd; do
	run "$name" "$((18884 + ${#name}))"
	bytes=$(figure "$name" peak_memory_bytes)
	row "$name" "$((bytes >> 20))" "$((bytes / 10000 >> 10))" "$(figure "$name" wall_seconds)" "$(figure "$name" cpu_seconds)"
done
awk -v ramped="$(figure ramped peak_memory_bytes)" -v herd="$(figure herd peak_memory_bytes)" \
	'BEGIN { printf "the herd takes %.2f times as much; at most 1.50\n", herd / ramped; exit herd > 1.5 * ramped }'
