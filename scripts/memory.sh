#!/usr/bin/env bash
# Prints the agent's resident memory on this machine, beside what it may be:
# connected and idle, and at most while it downloads, verifies and installs an
# image of 100 MiB from the stand-in platform: as it is, compressed, and as a delta.
# Everything happens on the loopback and in a temporary directory. Making the delta
# takes 2 GiB of memory and a minute.
source "$(dirname "$0")/device.sh"

row() { printf '%-52s %8s %8s\n' "$@"; }

# Letters, so that there is something to compress. The new version has one byte in
# seventy changed, and 8 MiB that are new.
letters() { head -c $(($1 << 20)) /dev/urandom | base64 -w 0; } # of so many MiB, and a third more
letters 75 >old
{ head -c $((50 << 20)) old; letters 6; tail -c $((42 << 20)) old; } | tr A B >new

pack plain.ota new
pack zstd.ota --zstd new
pack delta.ota --source 1 --from old new

row 'resident memory of ota-agent, MiB' measured 'at most'
device old
row 'idle, connected' "$(memory VmRSS)" 10.0
upgrade plain.ota new
row 'streaming and installing 100 MiB, peak' "$peak" 14.0
device old
upgrade zstd.ota new
row 'the same, decoding zstd' "$peak" 14.0
device old
upgrade delta.ota new
row 'the same, applying a delta' "$peak" 14.0
