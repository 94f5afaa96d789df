#!/usr/bin/env bash
# Runs every fuzz test of the tree for FUZZTIME (10s), one after another, since
# each of them uses every core. Inputs that are interesting are made smaller only
# for a moment: documents are large, and would take all the time.
set -euo pipefail
cd "$(dirname "$0")/.."

grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort |
while IFS=: read -r file function; do
	package=$(dirname "$file")
	echo "== $package ${function#func }"
	go test -run '^$' -fuzz "^${function#func }\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 10x "$package" </dev/null
done
