#!/usr/bin/env bash
# Says where the processor time of a real device's upgrade goes: runs the case of
# scripts/peers.sh with ota-sim alone (devices: the argument, or 2000), or reads the
# profile of another run (ota-sim run --profile DIR):
#
#   scripts/profile.sh [DEVICES]
#   scripts/profile.sh DEVICES DIR/cpu.pprof
#
# It prints a table: what for, milliseconds an upgrade, share. Each sample counts once:
# for the collector, if that was at work; for the kernel, if a system call was; else
# for the innermost function of a package of the table. So memory that JSON takes is
# JSON's, and what the collector does about it is not.
set -euo pipefail
cd "$(dirname "$0")/.."

count=${1:-2000}
profile=${2:-}
if [ -z "$profile" ]; then
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	PEERS=ota-sim PEERS_ROUNDS=1 PEERS_PROFILE=$dir scripts/peers.sh "$count"
	profile=$dir/cpu.pprof
	echo
fi

"${GO:-go}" tool pprof -traces "$profile" 2>/dev/null | awk -v count="$count" '
# milliseconds reads a time as pprof writes it.
function milliseconds(text) {
	if (text ~ /us$/) return text / 1000
	if (text ~ /ms$/) return text + 0
	return text * 1000
}

# within reports whether a function of the sample matches.
function within(pattern, i) {
	for (i = 1; i <= depth; i++) if (stack[i] ~ pattern) return 1
	return 0
}

# purpose is what a sample was for.
function purpose(i, k) {
	if (within("^runtime\\.(gcBgMarkWorker|gcAssistAlloc|gcStart|gcMarkDone|gcMarkTermination|bgsweep|bgscavenge|deductSweepCredit)"))
		return "garbage collection"
	if (stack[1] ~ /Syscall6$|^runtime\.(futex|epollwait|usleep|madvise|mmap|read|write1|nanotime1|tgkill|osyield)$/) {
		if (within("agent/download|netem\\.\\(\\*Plain\\)|net/http")) return "kernel, for downloads"
		if (within("agent/link/native|netem")) return "kernel, for the sessions"
		return "kernel, else"
	}
	for (i = 1; i <= depth; i++)
		for (k = 1; k <= rules; k++) if (stack[i] ~ pattern[k]) return row[k]
	return "scheduler, and what has no row"
}

function rule(name, functions) { row[++rules] = name; pattern[rules] = functions; }

function count_sample() {
	if (depth == 0) return
	spent[purpose()] += value
	total += value
	depth = 0
}

BEGIN {
	rule("hashing", "^crypto/(internal/fips140/)?sha256")
	rule("signatures", "ed25519|edwards25519")
	rule("TLS", "^crypto/")
	rule("JSON", "^encoding/(json|base64)|/internal/wire\\.")
	rule("MQTT", "paho\\.golang|/agent/link")
	rule("downloads, HTTP", "^net/(http|textproto|url)|/agent/download|netem\\.\\(\\*(Plain|plainBody|plainConn|linkBody)\\)|real\\.(storage|\\(\\*spoiltBody\\))")
	rule("sockets, the program'\''s side", "^net\\.|^internal/poll\\.|/simulator/real/netem\\.")
	rule("stacks that grow", "^runtime\\.(newstack|copystack|morestack)$")
	rule("recorder and verdict", "/simulator/(verdict|history)|real\\.\\(\\*recorder\\)")
	rule("machine and runner", "otafleet/(agent|reporter|firmware|internal)[./]")
	rule("the rest of the simulator", "otafleet/simulator|^main\\.")
	split("kernel, for the sessions;kernel, for downloads;kernel, else;MQTT;sockets, the program'\''s side;" \
		"downloads, HTTP;hashing;signatures;TLS;JSON;machine and runner;recorder and verdict;" \
		"the rest of the simulator;stacks that grow;scheduler, and what has no row;garbage collection", order, ";")
}
/^-+\+/ { count_sample(); next }
/^ *[0-9.]+(us|ms|s) / { count_sample(); value = milliseconds($1); depth = 1; stack[1] = $2; next }
/^ +[^ ]/ { if (depth > 0) stack[++depth] = $1 }
END {
	count_sample()
	printf "| %-32s | %8s | %6s |\n| --- | --- | --- |\n", "an upgrade", "CPU, ms", "share"
	for (i = 1; i in order; i++) if (spent[order[i]] > 0)
		printf "| %-32s | %8.3f | %4.1f %% |\n", order[i], spent[order[i]] / count, 100 * spent[order[i]] / total
	printf "| %-32s | %8.3f | %6s |\n", "all", total / count, ""
}'
