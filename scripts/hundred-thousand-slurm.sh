#!/usr/bin/env bash
# A hundred thousand real devices as one command of Slurm: an array of 13 tasks, each a
# process of ota-sim with broker, store, fake platform and 7,693 devices, so that none has
# more than 20,000 open files; they begin together. Prints how many connections there were at
# the same moment, a device's session being one, what that took of memory, and the one
# verdict, whose exit code is the script's. It is the bundled scenario "hundred-thousand",
# whose devices arrive over ARRIVE (4m30s, as there; longer on a machine that has much else
# to do). VERDICT_JSON is a file for the verdict.
#
# For make hundred-thousand-slurm, in test/slurm/cluster.sh, whose host is the one node.
set -euo pipefail

shards=13 arrive=${ARRIVE:-4m30s}
scenario=$(realpath "$(dirname "$0")/../scenarios/hundred-thousand.yaml")
[ "$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)" -ge 14336 ] ||
	{ echo 'hundred-thousand: the shards begin together, and take 14 GiB of memory, which is not free' >&2; exit 1; }
mkdir "$work/run"
cd "$work/run"
sed -e "s/over: 4m30s/over: $arrive/" -e "s/after: 4m40s/after: $arrive/" -e 's/^duration: .*/duration: 30m/' \
	"$scenario" >hundred-thousand.yaml
slab() { awk '$1 == "Slab:" { print int($2 / 1024) }' /proc/meminfo; }
buffers() { awk '$1 == "TCP:" { print int($NF * 4 / 1024) }' /proc/net/sockstat; }
before=$(slab) began=$SECONDS
export PATH=$(dirname "$OTA_SIM"):$PATH
ota-sim cluster slurm hundred-thousand.yaml --shards $shards --name fleet --out "$PWD/histories" | bash -s -- --wait &
command=$!

# tasks prints the processes of the shards.
tasks() { grep -lszx 'run' /proc/[0-9]*/cmdline | cut -d / -f 3; }
most=0 said=0 memory=
while kill -0 $command 2>/dev/null; do
	# Both ends of each are here.
	connections=$(($(awk '$1 == "TCP:" { print $3 }' /proc/net/sockstat) / 2))
	if [ "$connections" -gt "$most" ]; then
		most=$connections at=$((SECONDS - began))
		memory="ota-sim $(for pid in $(tasks); do awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status"; done 2>/dev/null |
			awk '{ kib += $1 } END { print int(kib / 1024) }') MiB, kernel $(($(slab) - before)) MiB of slabs and $(buffers) MiB of buffers"
	fi
	if [ $((SECONDS - said)) -ge 15 ]; then
		said=$SECONDS
		printf '%4d s  %6d connections\n' $((SECONDS - began)) "$connections"
	fi
	sleep 2
done
status=0
wait $command || status=$?
printf '\n%d connections at the same moment, after %d s: %s\n\n' "$most" "${at:-0}" "$memory"
cat fleet-merge-*.log
[ $status -eq 0 ] || tail -n 5 fleet-[0-9]*.log
[ -z "${VERDICT_JSON:-}" ] || ota-sim merge histories --json "$VERDICT_JSON" >/dev/null || true
printf '\n%d s from the command to the verdict\n' $((SECONDS - began))
exit $status
