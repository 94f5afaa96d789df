#!/usr/bin/env bash
# Runs every fuzz test of the tree for FUZZTIME (10s), one after another, since
# each of them uses every core. Inputs that are interesting are made smaller only
# for a moment: documents are large, and would take all the time.
# The instrumented tests of a package are built once for all of its fuzz tests, and
# run as go test runs them: in the package's directory, with the inputs of earlier runs.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
inputs=$(go env GOCACHE)/fuzz
built=
grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort |
while IFS=: read -r file function; do
	package=$(dirname "$file")
	echo "== $package ${function#func }"
	if [ "$built" != "$package" ]; then
		go test -c -fuzz . -o "$work/fuzz.test" "$package"
		name=$(go list "$package")
		built=$package
	fi
	began=$SECONDS
	(cd "$package" && exec "$work/fuzz.test" -test.paniconexit0 -test.run '^$' -test.fuzz "^${function#func }\$" \
		-test.fuzztime "${FUZZTIME:-10s}" -test.fuzzminimizetime 10x -test.fuzzcachedir "$inputs/$name" </dev/null)
	printf 'ok  \t%s\t%ds\n' "$name" $((SECONDS - began))
done
