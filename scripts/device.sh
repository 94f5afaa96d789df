# For scripts that measure the agent as built, to be sourced: builds the programs
# into a temporary directory and goes there; serves a platform and starts an agent on
# the loopback; cleans up at the end. Everything else is a function.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/await.sh

work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

for program in ota-agent ota-sim; do
	scripts/build.sh "$program" "$work/$program"
done
cd "$work"
./ota-sim keygen release >/dev/null

# pack OUT ARGUMENTS makes a package of version 2 of app.
pack() { ./ota-sim pack --key release.key --product gw-200 --component app --target 2 --release 2 --out "$@" >/dev/null; }

# host is an address of the loopback that no other program connects from: a port that the
# broker had is free when the next one listens there.
host=127.$((RANDOM % 254 + 1)).$((RANDOM % 256)).1

# brokered PID LOG waits until a process has printed the address of its broker, which goes
# to $broker.
brokered() {
	await "$1" "$2" grep -sq 'broker mqtt://' "$2"
	broker=$(grep -oE 'broker mqtt://[0-9.:]+' "$2" | cut -d/ -f3)
}

# serve ARGUMENTS starts the platform, which ends in twenty minutes if nothing ends it
# before; its broker's address goes to $broker.
serve() {
	rm -f platform.log
	timeout 20m ./ota-sim platform --listen "${broker:-$host:0}" --store-listen "$host:0" --page "" "$@" >platform.log 2>&1 &
	platform=$!
	pids+=("$platform")
	brokered "$platform" platform.log
}

# stop PID ends a process of ours.
stop() {
	kill "$1"
	wait "$1" 2>/dev/null || true
}

# device FILE starts an agent, of a new device that runs the file as version 1,
# and waits until it is connected and has come to rest.
device() {
	cp "$1" app
	serve
	start
	sleep 5
}

# start SETTINGS starts the agent of a new device, with settings besides those that it
# needs, and waits until it is connected: to the broker, or as $session says.
start() {
	rm -rf state agent.log
	cat >agent.yaml <<YAML
product: gw-200
device: gw-0001
${session:-broker: {urls: ["mqtt://$broker"]\}}
state_dir: state
control_socket: agent.sock
trust: {keys: [release.pub]}
components: [{id: app, type: module, installer: file, version: "1", file: {path: app}}]
${1:-}
YAML
	./ota-agent run --config agent.yaml >agent.log 2>&1 &
	agent=$!
	pids+=("$agent")
	await "$agent" agent.log grep -sq 'msg="connected to ' agent.log
}

# memory FIELD prints a field of the agent's status, in MiB.
memory() { awk -v field="$1:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$agent/status"; }

# between FROM TO prints the seconds from one line of the agent's log to another: the
# last ones with these words.
between() {
	sed 's/time=[0-9-]*T/time=T/' agent.log | awk -v from="$1" -v to="$2" '
		{ for (i = 1; i <= NF; i++) if ($i ~ /^time=/) { split($i, t, "[T:Z]"); at = 3600 * t[2] + 60 * t[3] + t[4] } }
		index($0, from) { begin = at }
		index($0, to) { end = at < begin ? at + 86400 : at }
		END { printf "%.2f\n", end - begin }'
}

# upgrade PACKAGE FILE has the agent upgraded by a package, to what the file
# holds. The peak of its memory goes to $peak, in MiB, and how long it took to make
# the image of the downloaded bytes to $staged, in seconds.
upgrade() {
	stop "$platform"
	echo 5 >"/proc/$agent/clear_refs" # begins a new peak
	serve --upgrade "$1" --retries 0 --until-done 1
	wait "$platform" || { cat platform.log agent.log >&2; exit 1; }
	cmp -s app "$2" || { echo 'the upgrade did not take place' >&2; cat agent.log >&2; exit 1; }
	peak=$(memory VmHWM)
	staged=$(between step=download_succeeded step=upgrading)
	stop "$agent"
	unset broker
}
