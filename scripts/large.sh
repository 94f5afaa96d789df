#!/usr/bin/env bash
# Prints how long the agent takes for a large image, from the plan to the step
# download_succeeded, when every chunk is verified and on the disk; beside that, curl
# from the same platform to the same disk, with sync and sha256sum of what it has
# written. First on the loopback, SIZE MiB (1024); then on a line with 100 ms there and
# back that loses 1 % of the packets, LINE_SIZE MiB (256), beside curl alone. All of it in
# turn, ROUNDS times (3), and the medians. The programs of further directories are
# measured beside those of this tree, such as an earlier release's:
#   scripts/large.sh [DIR...]
# The line is test/line, between two network namespaces of its own: as root. Without
# root, or with LINE_SIZE=0, it is left out. Its ends control congestion as the kernel
# does by default.
size=${SIZE:-1024} line_size=${LINE_SIZE:-256} rounds=${ROUNDS:-3}
[ "$(id -u)" -eq 0 ] || line_size=0
others=()
for dir; do others+=("$(cd "$dir" && pwd)"); done
source "$(dirname "$0")/device.sh"
(cd "$OLDPWD" && go build -o "$work/line" ./test/line)
mkdir built
mv ota-agent ota-sim built
programs=("$work/built" "${others[@]}") titles=('' "${others[@]/#/ of }")
head -c 1M /dev/urandom >old

# The ends of the line: what runs a command there, and the platform's settings.
near='' far='' listen=''

# use DIR lets the functions of device.sh use the programs of a directory, each at its
# end of the line.
use() {
	printf '#!/bin/sh\nexec %s "%s/ota-agent" "$@"\n' "$near" "$1" >ota-agent
	printf '#!/bin/sh\nexec %s "%s/ota-sim" "$@" %s\n' "$far" "$1" "$listen" >ota-sim
	chmod +x ota-agent ota-sim
}

# apart PID tells whether a process has a network of its own.
apart() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

# lay SEED lays the line anew, on which each seed loses its own packets.
lay() {
	local end ends=()
	for end in "${laid[@]}"; do stop "$end"; done
	for end in 1 2; do
		unshare -n sleep infinity &
		ends+=($!)
		await $! /dev/null apart $!
	done
	./line -names "ota$$a,ota$$b" -seed "$1" >line.log &
	laid=("${ends[@]}" $!)
	pids+=("${laid[@]}")
	await $! line.log grep -q ready line.log
	near="nsenter -n -t ${ends[0]}" far="nsenter -n -t ${ends[1]}" host=10.98.0.1 listen="--listen $host:1883 --store-listen $host:9000"
	ip link set "ota$$a" netns "${ends[0]}"
	ip link set "ota$$b" netns "${ends[1]}"
	$near ip addr add 10.98.0.2/24 dev "ota$$a"
	$far ip addr add "$host/24" dev "ota$$b"
	$near ip link set "ota$$a" up
	$far ip link set "ota$$b" up
}
laid=()

# since TIME prints the seconds since then.
since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", to - from }'; }

# by_agent N upgrades an agent with the programs number N.
by_agent() {
	use "${programs[$1]}"
	device old
	upgrade "$1.ota" new
	between step=plan_received step=download_succeeded >>"times.$1"
	echo "$peak" >>"peaks.$1"
}

# by_curl downloads the same file, with the address that a device of hawkBit's gets.
by_curl() {
	use "$work/built"
	serve --upgrade 0.ota --dialect native,hawkbit --hawkbit-listen "$host:0" --hawkbit-product gw-200
	local device began address
	await "$platform" platform.log grep -q 'hawkBit http://' platform.log
	device=$(grep -oE 'hawkBit http://[0-9.:]+' platform.log | cut -d' ' -f2)/default/controller/v1/curl
	$near curl -sf "$device" >/dev/null
	$near curl -sf -X PUT -H 'Content-Type: application/json' -d '{"mode": "merge", "data": {}}' "$device/configData"
	address=$($near curl -sf "$device/deploymentBase/1001" | grep -oE 'http://[^"]*/artifacts/new"' | tr -d '"')
	began=$EPOCHREALTIME
	$near curl -sf -o got "$address"
	since "$began" >>times.curl
	sync got
	sha256sum got >/dev/null
	since "$began" >>times.whole
	cmp got new
	rm got
	stop "$platform"
	unset broker
}

# median FILE prints the median of a file's numbers.
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# measure MIB PREPARE measures everything in turn, each after a command.
measure() {
	local n round
	rm -f times.* peaks.*
	head -c "$1M" /dev/urandom >new
	for n in "${!programs[@]}"; do
		"${programs[n]}/ota-sim" pack --key release.key --product gw-200 --component app --target 2 --release 2 \
			--out "$n.ota" new >/dev/null 2>&1
	done
	for ((round = 1; round <= rounds; round++)); do
		$2 "$round"
		by_curl
		for n in "${!programs[@]}"; do
			$2 "$round"
			by_agent "$n"
		done
	done
}

# rows TITLE TIMES prints what was measured, beside the times that count.
rows() {
	local n curl
	curl=$(median "times.$2")
	row "$1" "$curl" '' ''
	for n in "${!programs[@]}"; do
		row "ota-agent${titles[n]}" "$(median "times.$n")" \
			"$(awk -v a="$(median "times.$n")" -v b="$curl" 'BEGIN { printf "%.2f", a / b }')" "$(median "peaks.$n")"
	done
}
row() { printf '%-44s %10s %10s %12s\n' "$@"; }

row "$size MiB on the loopback" seconds 'of curl' 'peak, MiB'
measure "$size" :
rows 'curl, sync, sha256sum' whole
[ "$line_size" -gt 0 ] || exit 0
row "$line_size MiB on a line, 100 ms and 1 % loss" seconds 'of curl' 'peak, MiB'
measure "$line_size" lay
rows curl curl
