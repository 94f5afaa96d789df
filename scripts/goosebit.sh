#!/usr/bin/env bash
# Installs goosebit, a server of hawkBit's device API, into a virtual environment of
# Python in a directory; keeps one that is there. Needs no root, but Debian's
# python3-venv and the network.
#
# usage: scripts/goosebit.sh DIRECTORY
set -euo pipefail

dir=$1
release=goosebit==0.2.12
[ "$(cat "$dir/installed" 2>/dev/null)" != "$release" ] || exit 0
python3 -c 'import ensurepip, venv' 2>/dev/null ||
	{ echo "goosebit: Python cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
rm -rf "$dir"
python3 -m venv "$dir"
for pause in 5 15 45 0; do
	if "$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$release"; then
		echo "$release" >"$dir/installed"
		exit 0
	fi
	sleep "$pause"
done
echo "goosebit: $release cannot be installed" >&2
exit 1
