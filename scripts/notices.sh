#!/usr/bin/env bash
# Prints the licences of everything that a built program contains besides the
# project's own code: the modules that Go has recorded in it, and Go itself.
#
#   scripts/notices.sh BINARY
set -euo pipefail
binary=$(realpath "${1:?usage: notices.sh BINARY}")
cd "$(dirname "$0")/.."

# texts DIRECTORY prints the licence files of a module.
texts() {
	local found=0 file
	for file in "$1"/{LICENSE,LICENCE,COPYING,NOTICE,edl-v10,epl-v20}*; do
		if [ -f "$file" ]; then
			printf '\n'
			cat "$file"
			found=1
		fi
	done
	[ $found = 1 ] || { echo "notices.sh: $1 has no licence" >&2; return 1; }
}

line() { printf '\n================================================================================\n%s\n' "$*"; }

echo "$(basename "$binary") contains these works of third parties. Their sources are public at the"
echo 'addresses below; they are built in unchanged.'
line "Go $(go env GOVERSION)  https://go.dev/dl/"
texts "$(go env GOROOT)"
modules=$(go version -m "$binary" | awk '$1 == "dep" { print $2 "@" $3 }')
for module in $modules; do
	line "${module%@*} ${module#*@}  https://pkg.go.dev/$module"
	texts "$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')"
done
