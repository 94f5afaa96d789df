#!/usr/bin/env bash
# Fails if a program calls a function with a known vulnerability. Where the database
# cannot be fetched, it says so, and nothing is checked.
#
#   scripts/vuln.sh CACHE
#
# The database is the Go project's own, at a fixed version, so that the same
# sources give the same answer; a newer one is taken by changing it here. It comes
# as a module, because nothing but the module proxy need be reachable.
set -euo pipefail
cache=${1:?usage: vuln.sh CACHE}
cd "$(dirname "$0")/.."

database=golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018
scanner=golang.org/x/vuln/cmd/govulncheck@v1.9.0

# reachable reports whether a module is here or can be fetched.
reachable() { (cd / && go mod download "$1" >/dev/null 2>&1); }

for module in "$database" "${scanner/\/cmd\/*@/@}"; do
	if ! reachable "$module"; then
		echo "vuln.sh: NOT CHECKED for known vulnerabilities: cannot fetch $module (go env GOPROXY: $(go env GOPROXY))" >&2
		exit 0
	fi
done
index=$cache/vulndb-${database##*-}
if [ ! -f "$index/index/db.json" ]; then
	rm -rf "$index"
	mkdir -p "$index"
	source=$(cd / && go mod download -json "$database" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
	(cd / && go run "golang.org/x/vulndb/cmd/indexdb@${database#*@}" -out "$index" -vulns "$source/data/osv")
fi
go run "$scanner" -db "file://$index" ./cmd/...
