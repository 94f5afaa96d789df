#!/usr/bin/env bash
# Prints what the agent costs a device, beside what it may cost: the size of the
# stripped binary by processor, with everything and without the optional adapters
# (tags nos3, noarchive, noline, nozstd, nohawkbit and noquecthing). With --check it looks at linux/arm64 alone, and
# fails where the agent is larger than it may be.
set -euo pipefail
cd "$(dirname "$0")/.."

# In bytes, of linux/arm64. Files for this processor grow by 64 KiB at a time.
everything=9000000 minimal=7900000

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# size GOARCH TAGS prints the bytes of the agent's binary.
size() {
	GOARCH=$1 GOARM=7 GOMIPS=softfloat scripts/build.sh ota-agent "$work/ota-agent" "$2"
	stat -c %s "$work/ota-agent"
}

# row NAME BYTES BYTES prints megabytes (10^6 bytes).
row() { awk -v name="$1" -v all="$2" -v less="$3" 'BEGIN { printf "%-24s %12.2f %12.2f\n", name, all / 1e6, less / 1e6 }'; }

architectures=(arm64 amd64 arm mipsle riscv64)
[ "${1:-}" != --check ] || architectures=(arm64)

printf '%-24s %12s %12s\n' 'agent binary, MB' everything 'minimal'
over=0
for arch in "${architectures[@]}"; do
	all=$(size "$arch" '') less=$(size "$arch" nos3,noarchive,noline,nozstd,nohawkbit,noquecthing)
	row "linux/$arch" "$all" "$less"
	if [ "$arch" = arm64 ] && { [ "$all" -gt $everything ] || [ "$less" -gt $minimal ]; }; then over=1; fi
done
row 'at most (linux/arm64)' $everything $minimal
if [ "${1:-}" != --check ]; then
	printf '\nothers, stripped, linux/arm64\n'
	printf '%-24s %12.1f\n' "Kanto's update manager" 6.4 "Mender's client (Go)" 10.3 fioup 19.5
fi
[ "${1:-}" != --check ] || exit $over
