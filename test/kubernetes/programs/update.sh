#!/usr/bin/env bash
# Writes go.mod for a version of Kubernetes, with each of its modules at the same one, and
# go.sum. The version of etcd is the one that Kubernetes itself is tested with.
#
# usage: test/kubernetes/programs/update.sh v1.X.Y
set -euo pipefail
cd "$(dirname "$0")"
version=${1:?usage: update.sh v1.X.Y}
theirs=$(cd "$(mktemp -d)" && go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)",*/\1/p')
{
	printf 'module otafleet-kubernetes\n\n'
	grep -E '^(go|godebug) ' "$theirs"
	printf '\nrequire k8s.io/kubernetes %s\n\nreplace (\n' "$version"
	sed -n "s|^\s*\(k8s.io/\S*\) => ./staging.*|	\1 => \1 v0.${version#v1.}|p" "$theirs"
	echo ')'
} >go.mod
go mod tidy
