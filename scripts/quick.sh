#!/usr/bin/env bash
# What a developer runs before each commit, in less than a minute on two idle cores:
# formatting, vet, the rules of the tree, both programs, and the tests of packages,
# without the race detector: of all that are fast, and of those slow ones that differ
# from main (BASE names another commit). What passed before and has not changed is
# not run again. It does not replace .ci/run.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}

# Packages whose tests take more than a few seconds of a processor.
slow=(agent agent/download agent/host cmd/ota-sim firmware firmware/command firmware/file firmware/modem
	firmware/serial firmware/slot simulator/explore simulator/platform simulator/real simulator/report
	simulator/scenario simulator/virtual)

step() {
	local began=$SECONDS
	"$@"
	printf 'quick: %-5s %3d s\n' "$1" $((SECONDS - began))
}
format() {
	local files
	files=$(git ls-files -coz --exclude-standard '*.go' | xargs -0 ls -d 2>/dev/null | xargs gofmt -l)
	[ -z "$files" ] || { echo "not formatted, run gofmt -w:" $files >&2; return 1; }
}
vet() { "$go" vet ./... && "$go" vet -tags compare,crash,deb,kubernetes,page,platforms,real,release,slurm,vm ./test/...; }
build() {
	mkdir -p bin
	scripts/build.sh ota-agent bin/ota-agent
	scripts/build.sh ota-sim bin/ota-sim
}

# changed prints the directories, from the top, of files that differ from BASE.
changed() {
	{
		git diff --name-only "$(git merge-base HEAD "${BASE:-main}")"
		git ls-files -o --exclude-standard
	} | xargs -r dirname | sort -u
}

# tests runs several packages at a time: many of their tests wait.
tests() {
	local module all passed_over
	module=$("$go" list -m)
	all=$("$go" list ./... | grep -v "^$module/test/")
	passed_over=$("$go" list "${slow[@]/#/./}")
	passed_over=$(changed | sed "s|^|$module/|" | grep -vxFf - <(echo "$passed_over") || true)
	echo "$all" | { grep -vxF "$passed_over" || true; } |
		xargs "$go" test -short -vet off -p 4 -parallel 4 | sed -e '/^ok .*(cached)/d' -e '/no test files/d'
}

step format
step vet
step build
step tests
printf 'quick: all of it passed in %d s\n' $SECONDS
