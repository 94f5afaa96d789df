#!/usr/bin/env bash
# Makes a release: for each processor both programs, static and stripped, and their
# Debian packages, and for amd64 and arm64 a container image of ota-sim; for each
# program its software bill of materials (CycloneDX) and the notices of third parties;
# checksums, and a list of all that, signed. The same sources, version and key give the
# same bytes.
#
#   scripts/release.sh KEY DIRECTORY
#
# KEY is a private key of 'ota-sim keygen', DIRECTORY must not exist. VERSION is the
# release's, such as v0.1.0. PROCESSORS may name fewer than all.
set -euo pipefail
usage='usage: release.sh KEY DIRECTORY'
key=$(realpath "${1:?$usage}") out=$(realpath -m "${2:?$usage}")
cd "$(dirname "$0")/.."

version=${VERSION:?VERSION is missing: name the release, such as v0.1.0}
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+([-+][A-Za-z0-9.+-]+)?$ ]] || { echo "release.sh: $version is no version such as v0.1.0" >&2; exit 2; }
[ -r "$key" ] || { echo "release.sh: cannot read the key $key: make one with 'ota-sim keygen NAME'" >&2; exit 2; }
[ ! -e "$out" ] || { echo "release.sh: $out exists and is not overwritten" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/release"

# processor NAME GOARCH DEBIAN makes what is of one processor.
processor() {
	local program name
	for program in ota-agent ota-sim; do
		name=$program-${version#v}-linux-$1
		GOARCH=$2 GOARM=7 GOMIPS=softfloat scripts/build.sh $program "$work/release/$name"
		scripts/sbom.sh bin -json -std -noserial -notimestamp -version "$version" \
			-output "$work/release/$name.cdx.json" "$work/release/$name"
		scripts/notices.sh "$work/release/$name" >"$work/release/$name.notices"
		packaging/deb.sh $program "$3" "$work/release" >/dev/null
	done
	if [[ $1 =~ ^(amd64|arm64)$ ]]; then
		scripts/image.sh "$1" "$work/release/ota-sim-${version#v}-linux-$1.oci.tar" >/dev/null
	fi
}

for each in ${PROCESSORS:-amd64 arm64 armv7 mipsle riscv64}; do
	echo "release.sh: linux/$each"
	case $each in
	armv7) processor armv7 arm armhf ;;
	mipsle) processor mipsle mipsle mipsel ;;
	*) processor "$each" "$each" "$each" ;;
	esac
done

go run ./cmd/ota-sim sign --key "$key" --out "$work/RELEASE.sig" "$work"/release/*
(cd "$work/release" && sha256sum ./* | sed 's|\./||' >"$work/SHA256SUMS")
mv "$work/RELEASE.sig" "$work/SHA256SUMS" "$work/release/"
mkdir -p "$(dirname "$out")"
mv "$work/release" "$out"
echo "release.sh: $out holds release $version; 'ota-sim verify --key PUBLIC $out/RELEASE.sig' verifies it"
