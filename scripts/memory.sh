#!/usr/bin/env bash
# Prints the agent's resident memory on this machine, beside what it may be:
# connected and idle, and at most while it downloads, verifies and installs an
# image of 100 MiB from the stand-in platform, plain and compressed. Everything
# happens on the loopback and in a temporary directory. With --check it fails
# where the agent takes more than it may.
set -euo pipefail
cd "$(dirname "$0")/.."

over=0
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

for program in ota-agent ota-sim; do
	scripts/build.sh "$program" "$work/$program"
done
cd "$work"

# image makes 100 MiB that zstd makes a quarter smaller, different each time.
image() { head -c 75M /dev/urandom | base64 -w 0; }

# pack FILE RELEASE FLAGS signs FILE as a release of the component.
pack() {
	./ota-sim pack --key release.key --product gw-200 --component app --target "$2" --release "$2" --out "$1.ota" "${@:3}" "$1" >/dev/null
}

# serve ARGUMENTS starts the platform; its broker's address goes to $broker.
serve() {
	./ota-sim platform --listen "${broker:-127.0.0.1:0}" --store-listen 127.0.0.1:0 "$@" >platform.log 2>&1 &
	platform=$!
	pids+=("$platform")
	until broker=$(grep -soE 'broker mqtt://[0-9.:]+' platform.log | cut -d/ -f3) && [ -n "$broker" ]; do sleep 0.1; done
}

# row NAME FIELD BOUND prints a field of the agent's status, in MiB.
row() {
	awk -v name="$1" -v field="$2:" -v most="$3" '
		$1 == field { printf "%-44s %8.1f %8.1f\n", name, $2 / 1024, most; exit $2 / 1024 > most }
	' "/proc/$agent/status" || over=1
}

# upgrade NAME FILE lets the agent install a package, and prints its peak.
upgrade() {
	echo 5 >"/proc/$agent/clear_refs" # begins a new peak
	serve --plan "$2" --upgrade "$2.ota" --until-done 1
	wait "$platform" || { cat platform.log agent.log >&2; exit 1; }
	cmp -s app "$2" || { echo "$2 was not installed" >&2; cat agent.log >&2; exit 1; }
	row "$1" VmHWM 14.0
}

./ota-sim keygen release >/dev/null
image >plain
pack plain 2
image >packed
pack packed 3 --zstd
echo old >app

serve
cat >agent.yaml <<YAML
product: gw-200
device: gw-0001
broker: {urls: ["mqtt://$broker"]}
state_dir: state
control_socket: agent.sock
trust: {keys: [release.pub]}
components: [{id: app, type: module, installer: file, version: "1", file: {path: app}}]
YAML
./ota-agent run --config agent.yaml >agent.log 2>&1 &
agent=$!
pids+=("$agent")
until grep -sq 'connected to the broker' agent.log; do sleep 0.1; done
sleep 5

printf '%-44s %8s %8s\n' 'resident memory of ota-agent, MiB' measured 'at most'
row 'idle, connected' VmRSS 10.0
kill "$platform"
wait "$platform" 2>/dev/null || true
upgrade '100 MiB streamed and installed, peak' plain
upgrade 'the same, decoded with zstd, peak' packed
[ "${1:-}" != --check ] || exit $over
