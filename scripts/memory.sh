#!/usr/bin/env bash
# Prints the agent's resident memory on this machine, beside what it may be:
# connected and idle; at most while it downloads, verifies and installs an image of
# 100 MiB from the fake platform: as it is, compressed, and as a delta; and at most
# while a broker sends it as many plans as it takes, 300 MiB of them. Everything happens on the loopback and in a temporary directory. With --check it
# fails where the agent takes more than it may.
check=${1:-}
source "$(dirname "$0")/device.sh"
(cd "$OLDPWD" && go build -o "$work/flood" ./test/flood)

over=0
# row NAME MEASURED BOUND prints a line, in MiB.
row() {
	printf '%-52s %8s %8s\n' "$@"
	awk -v measured="$2" -v bound="$3" 'BEGIN { exit measured > bound }' || over=1
}

# Letters, so that there is something to compress. The old version has 4 MiB. The new
# one has 100 MiB: 8 that are new, between copies of the old ones with one byte in
# sixty-four changed. What the agent needs for a delta does not depend on the size of
# the old image; to make one of 100 MiB takes 2 GiB and a minute.
letters() { head -c $(($1 << 20)) /dev/urandom | base64 -w 0; } # of so many MiB, and a third more
copies() { for ((i = 0; i < $1; i++)); do cat old; done; }
letters 3 >old
{ copies 12; letters 6; copies 11; } | tr A B >new

pack plain.ota new
pack zstd.ota --zstd new
pack delta.ota --source 1 --from old new

printf '%-52s %8s %8s\n' 'resident memory of ota-agent, MiB' measured 'at most'
device old
row 'idle, connected' "$(memory VmRSS)" 10.0
stop "$agent"
stop "$platform"
unset broker

# idle NAME ADDRESS CONFIGURATION measures an agent that speaks to another platform; @
# is what the fake one prints as its address, which begins as given.
idle() {
	serve --dialect "native,$1" --hawkbit-listen 127.0.0.1:0 --quecthing-listen 127.0.0.1:0
	local address
	address=$(grep -oE "$2://[0-9.:]+" platform.log | tail -1)
	session=${3//@/$address} start
	sleep 5
	row "idle, connected to $1" "$(memory VmRSS)" 10.0
	stop "$agent"
	stop "$platform"
	unset broker
}
echo 0123456789abcdef >secret
chmod 600 secret
idle hawkbit http 'platform: {hawkbit: {url: "@", gateway_token_file: secret}}'
idle quecthing mqtt 'platform: {quecthing: {url: "@", product_secret_file: secret, manifest: platform, allow_weak_digest: true}}'

device old
upgrade plain.ota new
row 'streaming and installing 100 MiB, peak' "$peak" 14.0
device old
upgrade zstd.ota new
row 'the same, decoding zstd' "$peak" 14.0
device old
upgrade delta.ota new
row 'the same, applying a delta' "$peak" 14.0
# flood SIZE SETTINGS sends plans of so many bytes to a new device. The peak of its
# memory goes to $peak, in MiB.
flood() {
	rm -f flood.log
	timeout 20m ./flood -size "$1" >flood.log 2>&1 &
	local flood=$! broker
	pids+=("$flood")
	brokered "$flood" flood.log
	start "${2:-}"
	wait "$flood" || { cat flood.log agent.log >&2; exit 1; }
	peak=$(memory VmHWM)
	stop "$agent"
}

flood $((8 << 10))
row 'under a flood of 300 MiB of plans of 8 KiB, peak' "$peak" 32.0
flood $((1 << 20))
row 'under a flood of 300 MiB of plans of 1 MiB, peak' "$peak" 32.0
flood $((1 << 20)) 'conditions: {rssi_command: [sh, -c, "sleep 0.3; echo -70"]}'
row 'the same, with a sensor that takes 0.3 s' "$peak" 32.0
printf '%-52s %8s\n' "for comparison: Kanto's update manager, idle" 6.8
[ "$check" != --check ] || exit $over
