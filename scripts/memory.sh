#!/usr/bin/env bash
# Prints the agent's resident memory on this machine, beside what it may be:
# connected and idle, and at most while it downloads, verifies and installs an
# image of 100 MiB from the stand-in platform: as it is, compressed, and as a delta.
# Everything happens on the loopback and in a temporary directory. With --check it
# fails where the agent takes more than it may, and leaves out the delta: making one
# takes 2 GiB of memory and a minute.
check=${1:-}
source "$(dirname "$0")/device.sh"

over=0
# row NAME MEASURED BOUND prints a line, in MiB.
row() {
	printf '%-52s %8s %8s\n' "$@"
	awk -v measured="$2" -v bound="$3" 'BEGIN { exit measured > bound }' || over=1
}

# Letters, so that there is something to compress. The new version has one byte in
# seventy changed, and 8 MiB that are new.
letters() { head -c $(($1 << 20)) /dev/urandom | base64 -w 0; } # of so many MiB, and a third more
letters 75 >old
{ head -c $((50 << 20)) old; letters 6; tail -c $((42 << 20)) old; } | tr A B >new

pack plain.ota new
pack zstd.ota --zstd new
[ "$check" = --check ] || pack delta.ota --source 1 --from old new

printf '%-52s %8s %8s\n' 'resident memory of ota-agent, MiB' measured 'at most'
device old
row 'idle, connected' "$(memory VmRSS)" 10.0
upgrade plain.ota new
row 'streaming and installing 100 MiB, peak' "$peak" 14.0
device old
upgrade zstd.ota new
row 'the same, decoding zstd' "$peak" 14.0
[ "$check" != --check ] || exit $over
device old
upgrade delta.ota new
row 'the same, applying a delta' "$peak" 14.0
