#!/usr/bin/env bash
# Unpacks Debian's kernel for virtual machines, with its modules, into a
# directory; keeps one that is there. Needs no root, but the package lists of
# apt-get update.
#
# usage: scripts/vm-kernel.sh DIRECTORY
set -euo pipefail

dir=$1
[ ! -e "$dir/boot" ] || exit 0
package=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
[ -n "$package" ] || { echo "vm-kernel: apt-cache knows no linux-image-cloud-amd64; run apt-get update" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package")
mkdir -p "$dir.part"
dpkg -x "$work"/*.deb "$dir.part"
mv "$dir.part" "$dir"
