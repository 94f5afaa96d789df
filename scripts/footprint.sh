#!/usr/bin/env bash
# Prints what the agent costs a device, beside what it may cost: the size of the
# stripped binary by processor, with everything and without the optional doors
# (tags nos3 and noarchive).
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# size GOARCH TAGS prints the megabytes (10^6 bytes) of the agent's binary.
size() {
	CGO_ENABLED=0 GOOS=linux GOARCH=$1 GOARM=7 go build -trimpath -buildvcs=false \
		-ldflags '-s -w' -tags "nethttpomithttp2,$2" -o "$work/ota-agent" ./cmd/ota-agent || { echo failed; return; }
	stat -c %s "$work/ota-agent" | awk '{ printf "%.2f", $1 / 1e6 }'
}

row() { printf '%-24s %12s %12s\n' "$@"; }

row 'agent binary, MB' everything 'no doors'
for arch in arm64 amd64 arm; do
	row "linux/$arch" "$(size $arch '')" "$(size $arch nos3,noarchive)"
done
row 'at most (linux/arm64)' 9.00 7.50
