#!/usr/bin/env bash
# Runs the bundled scenario "hundred-thousand" over real TCP and MQTT: six parts,
# each a process of ota-sim with the fake platform and about 16,667 virtual
# devices, beside a mosquitto of its own, so that no process has more than 20,000
# open files. Prints how many devices held a session at the same moment and what
# that took of memory, the kernel's for sockets included, and merges the parts into
# one verdict, whose exit code is the script's. Everything happens on the loopback
# and takes about six minutes on two processors.
#
# The merged verdict goes to VERDICT_JSON too, if that is set.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

parts=6 first_port=18900
build_sim
tcp_pages() { awk '$1 == "TCP:" { print $NF }' /proc/net/sockstat; }
slab() { awk '$1 == "Slab:" { print $2 }' /proc/meminfo; }
slab_before=$(slab)

# run_part I runs a part beside its broker. With prefixes of their own several parts share
# a broker, too.
run_part() {
	exec "$work/ota-sim" run hundred-thousand --shard "$1/$parts" --out "$work/part-$1" --quiet \
		--broker "mqtt://127.0.0.1:$((first_port + $1))" --fake-platform --prefix "ota/v1/$1" \
		--metrics "127.0.0.1:$((first_port + 20 + $1))" >"$work/part-$1.log" 2>&1
}

for i in $(seq "$parts"); do start_mosquitto "$((first_port + i))"; done
brokers=("${pids[@]}")
runs=()
for i in $(seq "$parts"); do
	run_part "$i" &
	runs+=($!)
done
pids+=("${runs[@]}")

# connected PORT asks a part for its devices with a session.
connected() {
	{
		exec 3<>"/dev/tcp/127.0.0.1/$1" || return 0
		printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
		awk '$1 == "ota_sim_connected_devices" { print int($2) }' <&3
		exec 3>&-
	} 2>/dev/null
}

# resident PID... prints the memory of processes in MiB.
resident() {
	local kib=0 pid n
	for pid in "$@"; do
		n=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status" 2>/dev/null) || true
		kib=$((kib + ${n:-0}))
	done
	echo "$((kib >> 10))"
}

alive() {
	local pid
	for pid in "${runs[@]}"; do ! kill -0 "$pid" 2>/dev/null || return 0; done
	return 1
}

most=0 at=0 said=0
began=$SECONDS
while alive; do
	sum=0
	for i in $(seq "$parts"); do
		n=$(connected "$((first_port + 20 + i))")
		sum=$((sum + ${n:-0}))
	done
	if [ "$sum" -gt "$most" ]; then
		most=$sum at=$((SECONDS - began))
		memory="ota-sim $(resident "${runs[@]}") MiB, mosquitto $(resident "${brokers[@]}") MiB, kernel $((($(slab) - slab_before) >> 10)) MiB of slabs and $(($(tcp_pages) * 4 >> 10)) MiB of buffers"
	fi
	if [ "$((SECONDS - said))" -ge 15 ]; then
		said=$SECONDS
		printf '%4ds  %6d connected\n' "$((SECONDS - began))" "$sum"
	fi
	sleep 1
done
for i in $(seq "$parts"); do
	wait "${runs[i - 1]}" || { echo "part $i:" >&2; tail -40 "$work/part-$i.log" >&2; }
done

printf '\n%d devices held a session at the same moment, after %d s: %s\n\n' "$most" "$at" "$memory"
"$work/ota-sim" merge ${VERDICT_JSON:+--json "$VERDICT_JSON"} $(seq -f "$work/part-%g" "$parts")
