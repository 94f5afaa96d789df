#!/usr/bin/env bash
# Measures ota-sim beside what one would use instead (test/peers), on this
# machine and against the same stub: mosquitto, and the fake platform with
# its object store, in processes of their own. For each number of devices
# (arguments; 2000 and 10000) the clients take turns, five rounds long, and each
# has a row of medians, as docs/PERFORMANCE.md has it:
#
#   idle, KiB    resident memory of the client's process, a device: connected and
#                without a plan, 10 s after the last one came; of the first round
#   peak, KiB    the most from the start to the end of a run, a device
#   upgrades a second
#                devices by the seconds from the client's start until the stub has
#                every one upgraded; a thousand of them connect in a second, and each
#                upgrades two components
#   CPU, ms      processor time of the client's process, an upgrade
#
# Every run is printed to the error output as it ends. On a quiet machine with two
# cores it all takes a quarter of an hour.
#
# PEERS names the clients to measure (all), PEERS_ROUNDS how often, PEERS_SIZES the
# bytes of the two packages, PEERS_PROFILE a directory for profiles of ota-sim.
# Everything happens on the loopback and in a temporary directory.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/await.sh

mosquitto=${MOSQUITTO:-/usr/sbin/mosquitto}
[ -x "$mosquitto" ] || { echo "$mosquitto is missing: apt-get install mosquitto" >&2; exit 1; }
[ $# -gt 0 ] || set -- 2000 10000
read -ra peers <<<"${PEERS:-ota-sim autopaho paho.mqtt.golang mqtt.js}"
rounds=${PEERS_ROUNDS:-5}
read -ra sizes <<<"${PEERS_SIZES:-131072 32768}"
rate=1000
port=${PEERS_PORT:-18884}

# library MODULE prints the version of a client's library.
library() { awk -v module="$1" '$1 == module { print substr($2, 2) }' test/peers/go.mod; }

declare -A names=(
	[ota-sim]='**ota-sim**'
	[autopaho]="loop on autopaho (paho.golang $(library github.com/eclipse/paho.golang))"
	[paho.mqtt.golang]="loop on paho.mqtt.golang $(library github.com/eclipse/paho.mqtt.golang)"
)

work=$(mktemp -d)
pids=()
# stop PID... ends processes that this script started.
stop() { kill "$@" 2>/dev/null || true; wait "$@" 2>/dev/null || true; }
trap 'stop "${pids[@]}"; rm -rf "$work"' EXIT

build=(go build -trimpath -buildvcs=false -ldflags '-s -w')
export CGO_ENABLED=0
scripts/build.sh ota-sim "$work/ota-sim"
(cd test/peers && "${build[@]}" -o "$work/peers" .)
if [[ " ${peers[*]} " == *' mqtt.js '* ]]; then
	if command -v node >/dev/null && command -v npm >/dev/null; then
		node=$(node --version)
		node=${node#v}
		names[mqtt.js]="loop on MQTT.js $(sed -n 's/.*"mqtt": "\(.*\)".*/\1/p' test/peers/mqttjs/package.json), Node ${node%%.*}"
		cp -r test/peers/mqttjs "$work"
		(cd "$work/mqttjs" && npm ci --silent --no-audit --no-fund --ignore-scripts)
	else
		echo 'mqtt.js is left out: it takes node and npm' >&2
		read -ra peers <<<"${peers[*]/mqtt.js/}"
	fi
fi
cd "$work"

./ota-sim keygen release >/dev/null
# pack COMPONENT TYPE TARGET SIZE makes a package of random bytes.
pack() {
	head -c "$4" /dev/urandom >"$1"
	./ota-sim pack --key release.key --product gw-200 --component "$1" --type "$2" --target "$3" --release 1 --out "$1.ota" "$1" >/dev/null
}
pack rootfs module 1.1.0 "${sizes[0]}"
pack motor mcu 3_1 "${sizes[1]}"

# page DEVICES [LATE] prints the scenario of as many devices. They install in no
# time and do not restart: a loop does neither. A device that would come LATE keeps
# a run without a plan from ending.
page() {
	cat <<YAML
scenario: peers
duration: 30m
fleet:
  - name: gateways
    count: $1
    product: gw-200
    components: [{id: rootfs, type: module, version: 1.0.0}, {id: motor, type: mcu, version: 3_0}]
    arrive: {rate: $rate/s}
    install: {time: 0s, restart: none}
YAML
	[ $# -eq 1 ] || echo "  - {name: late, count: 1, product: late, components: [{id: app, type: module, version: 1}], arrive: {after: $2}}"
}

# serve ARGUMENTS starts the stub: a broker without a past, and the platform.
serve() {
	# Without these limits mosquitto would drop what waits for the platform.
	printf '%s\n' "listener $port 127.0.0.1" 'allow_anonymous true' 'max_queued_messages 0' 'max_inflight_messages 0' >mosquitto.conf
	"$mosquitto" -c mosquitto.conf >mosquitto.log 2>&1 &
	broker=$!
	pids+=("$broker")
	await "$broker" mosquitto.log listens "$port"
	kill -0 "$broker" || { tail -n 5 mosquitto.log >&2; exit 1; } # another process has the port
	./ota-sim platform --broker "mqtt://127.0.0.1:$port" --store-listen 127.0.0.1:0 --page "" "$@" >platform.log 2>&1 &
	platform=$!
	pids+=("$platform")
	await "$platform" platform.log [ -s platform.log ]
	sleep 1
}

# start PEER DEVICES SCENARIO starts the client that is measured.
start() {
	case $1 in
	ota-sim)
		./ota-sim run "$3" --broker "mqtt://127.0.0.1:$port" --trust release.pub --quiet \
			${PEERS_PROFILE:+--profile "$PEERS_PROFILE"} >client.log 2>&1 &
		;;
	mqtt.js) node mqttjs/loop.js "mqtt://127.0.0.1:$port" "$2" "$rate" >client.log 2>&1 & ;;
	*) ./peers --client "$1" --broker "mqtt://127.0.0.1:$port" --devices "$2" --rate "$rate" >client.log 2>&1 & ;;
	esac
	client=$!
	pids+=("$client")
}

# connected prints how many clients the broker has.
connected() { awk -v port="$(printf ':%04X$' "$port")" '$2 ~ port && $4 == "01"' /proc/net/tcp | wc -l; }

# watch PID keeps the process's peak memory (KiB) and processor time (ticks) in
# the file peak until it ends. It starts no program but sleep, so as not to be in
# the way.
watch() {
	local key value memory stat
	while sleep 0.3; do
		memory=
		while read -r key value _; do
			if [ "$key" = VmHWM: ]; then memory=$value; fi
		done <"/proc/$1/status" && read -ra stat <"/proc/$1/stat" || return 0
		[ -n "$memory" ] || return 0 # it has ended
		echo "$memory $((stat[13] + stat[14]))" >peak
	done 2>/dev/null
}

# ended PID SECONDS waits for a process to end, or gives up.
ended() { timeout "$2" tail --pid="$1" -s 0.02 -f /dev/null || { tail -n 5 platform.log client.log >&2; exit 1; }; }

# idle PEER DEVICES prints the memory of a device that waits.
idle() {
	serve
	page "$2" 29m >idle.yaml
	start "$1" "$2" idle.yaml
	local tries=0
	until [ "$(connected)" -gt "$2" ]; do # and the platform
		kill -0 "$client" && [ $((tries += 1)) -lt 120 ] || { tail -n 5 client.log >&2; exit 1; }
		sleep 1
	done
	sleep 10
	awk -v n="$2" '$1 == "VmRSS:" { printf "%.1f", $2 / n }' "/proc/$client/status" >"idle.$1"
	stop "$client" "$platform" "$broker"
	pids=()
}

# upgrade PEER DEVICES upgrades them all, and leaves seconds in the file seconds.
upgrade() {
	serve --upgrade rootfs.ota --upgrade motor.ota --until-done "$2"
	page "$2" >run.yaml
	local began=$EPOCHREALTIME
	start "$1" "$2" run.yaml
	rm -f peak # of the one before
	watch "$client" &
	local watcher=$!
	ended "$platform" 1500
	echo "$began $EPOCHREALTIME" | awk '{ printf "%.2f", $2 - $1 }' >seconds
	wait "$platform" || { tail -n 5 platform.log client.log >&2; exit 1; }
	ended "$client" 60
	wait "$client" || { tail -n 5 client.log >&2; exit 1; }
	wait "$watcher" || true
	stop "$broker"
	pids=()
}

# measure PEER DEVICES adds a run to the client's file, and its idle memory if there is
# none yet.
measure() {
	[ -s "idle.$1" ] || idle "$1" "$2"
	upgrade "$1" "$2"
	local memory ticks
	[ -s peak ] || { echo "$1 with $2 devices ended before it was looked at: take more" >&2; exit 1; }
	read -r memory ticks <peak
	awk -v n="$2" -v s="$(<seconds)" -v m="$memory" -v t="$ticks" -v hz="$(getconf CLK_TCK)" \
		'BEGIN { printf "%.1f %.2f %.0f %.2f\n", m / n, s, n / s, t / hz / n * 1000 }' >>"runs.$1"
	echo "$1, $2 devices: $(tail -n 1 "runs.$1" | awk '{ print $1 " KiB at most, " $2 " s, " $3 " upgrades/s, " $4 " ms" }')" >&2
}

# grouped NUMBER prints a number with its thousands apart: 10,000.
grouped() { sed -E ':a; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; ta' <<<"$1"; }

# median FILE COLUMN prints the middle one of a column's numbers.
median() { awk -v c="$2" '{ print $c }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

row() { printf '| %-44s | %8s | %9s | %9s | %17s | %7s |\n' "$@"; }
header() {
	row '' devices 'idle, KiB' 'peak, KiB' 'upgrades a second' 'CPU, ms'
	row --- --- --- --- --- ---
}
for count; do
	rm -f idle.* runs.*
	for ((round = 0; round < rounds; round++)); do
		for peer in "${peers[@]}"; do measure "$peer" "$count"; done
	done
	[ -n "${headed:-}" ] || header
	headed=yes
	for peer in "${peers[@]}"; do
		row "${names[$peer]}" "$(grouped "$count")" "$(<"idle.$peer")" "$(median "runs.$peer" 1)" \
			"$(median "runs.$peer" 3)" "$(median "runs.$peer" 4)"
	done
done
