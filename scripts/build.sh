#!/usr/bin/env bash
# Builds ota-agent or ota-sim as devices and users get it: static and stripped.
#
#   scripts/build.sh PROGRAM FILE [TAGS]
#
# GOARCH and what belongs to it may be set, VERSION is what the program says of
# itself, BUILT a time (RFC 3339) before which no clock of its device is believed,
# TAGS leave adapters out (nos3,noarchive,noline,nozstd,nohawkbit,noquecthing).
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:?usage: build.sh PROGRAM FILE [TAGS]}
file=${2:?usage: build.sh PROGRAM FILE [TAGS]}

# Packages are fetched by ranges over HTTP/1.1, so HTTP/2 need not take 0.6 MB.
tags=nethttpomithttp2${3:+,$3}
linking="-s -w -X main.version=${VERSION:-dev}${BUILT:+ -X main.built=$BUILT}"
flags=(-trimpath -buildvcs=false -tags "$tags")
# An agent waits for its line and its storage, not for its processor, and most of
# what it computes (SHA-256, Ed25519) is assembly. Without inlining it is 0.7 MB
# smaller, and needs as much less memory. The decoders keep it.
if [ "$program" = ota-agent ]; then
	flags+=(-gcflags=all=-l -gcflags=github.com/klauspost/compress/...=)
	# On amd64 Go begins a function at every 32nd byte. 16 are enough, save 0.12 MB and
	# 0.3 MiB of memory; what needs more (some assembly) says so and has it. On the
	# other processors there is nothing to save.
	if [ "$("${GO:-go}" env GOARCH)" = amd64 ]; then
		linking+=" -funcalign=16"
	fi
fi
CGO_ENABLED=0 GOOS=linux exec "${GO:-go}" build "${flags[@]}" -ldflags "$linking" -o "$file" "./cmd/$program"
