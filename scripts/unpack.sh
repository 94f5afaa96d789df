#!/usr/bin/env bash
# Unpacks Debian packages, with what they need and this machine has not, into a
# directory, so that none of their services starts here; keeps one that is there.
# Needs no root but for apt-get update, where the package lists are missing or old.
#
# usage: scripts/unpack.sh DIRECTORY PACKAGE...
set -euo pipefail

dir=$1
shift
[ "$(cat "$dir/unpacked" 2>/dev/null)" != "$*" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial"

download() {
	apt-get -qq -y -o "Dir::Cache::archives=$work/archives" -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
		install --no-install-recommends --download-only "$@" >/dev/null
}
download "$@" 2>/dev/null || { apt-get -qq update && download "$@"; } ||
	{ echo "unpack: these packages cannot be had: $*" >&2; exit 1; }
mkdir -p "$work"/root/usr/{bin,sbin,lib} "$(dirname "$dir")"
for top in bin sbin lib; do
	ln -s "usr/$top" "$work/root/$top" # as on every Debian: packages name either
done
for archive in "$work"/archives/*.deb; do
	[ ! -e "$archive" ] || dpkg-deb --fsys-tarfile "$archive" | tar -C "$work/root" --keep-directory-symlink -x
done
echo "$*" >"$work/root/unpacked"
rm -rf "$dir"
mv "$work/root" "$dir"
