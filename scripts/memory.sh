#!/usr/bin/env bash
# Prints the agent's resident memory on this machine, beside what it may be:
# connected and idle, and at most while it downloads, verifies and installs a
# file of 100 MiB from the stand-in platform. Everything happens on the loopback
# and in a temporary directory.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

for program in ota-agent ota-sim; do
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags nethttpomithttp2 -ldflags '-s -w' -o "$work/$program" "./cmd/$program"
done
cd "$work"

./ota-sim keygen release >/dev/null
head -c $((100 << 20)) /dev/urandom >image
./ota-sim pack --key release.key --product gw-200 --component app --target 2 --release 2 --out image.ota image >/dev/null
echo old >app

# serve ARGUMENTS starts the platform; its broker's address goes to $broker.
serve() {
	./ota-sim platform --listen "${broker:-127.0.0.1:0}" --store-listen 127.0.0.1:0 "$@" >platform.log 2>&1 &
	platform=$!
	pids+=("$platform")
	until broker=$(grep -oE 'broker mqtt://[0-9.:]+' platform.log | cut -d/ -f3) && [ -n "$broker" ]; do sleep 0.1; done
}

# memory FIELD prints a field of the agent's status, in MiB.
memory() { awk -v field="$1:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$agent/status"; }

row() { printf '%-40s %8s %8s\n' "$@"; }

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
until grep -q 'connected to the broker' agent.log; do sleep 0.1; done
sleep 5

row 'resident memory of ota-agent, MiB' measured 'at most'
row 'idle, connected' "$(memory VmRSS)" 10.0

kill "$platform"
wait "$platform" 2>/dev/null || true
echo 5 >"/proc/$agent/clear_refs" # begins a new peak
serve --upgrade image.ota --until-done 1
wait "$platform" || { cat platform.log agent.log; exit 1; }
cmp -s app image || { echo 'the upgrade did not take place' >&2; cat agent.log >&2; exit 1; }
row 'streaming and installing 100 MiB, peak' "$(memory VmHWM)" 14.0
