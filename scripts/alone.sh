# Sourced by the scripts that run a cluster for as long as a command runs: in namespaces
# of its own, as root, so that it cannot be reached from outside and nothing of it stays.

# alone NAME UNSHARE-FLAG... -- COMMAND... starts the script again with its command in
# namespaces of its own, with the scratch directory $work, and exits as the command does.
# In there it does nothing. If the script is killed, all that it has started is, too.
# The functions enter and leave of the script, if it has them, are called before and
# after, outside.
alone() {
	[ -z "${OTA_ALONE:-}" ] || return 0
	local name=$1 flags=() tool
	shift
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	[ "$(id -u)" = 0 ] || { echo "$name: needs root, for namespaces" >&2; exit 1; }
	for tool in setpriv:util-linux unshare:util-linux ip:iproute2 openssl:openssl; do
		command -v "${tool%:*}" >/dev/null || { echo "$name: ${tool%:*} is missing: apt-get install ${tool#*:}" >&2; exit 1; }
	done
	name=ota-$name-$$
	forgotten "${name%-*}"
	child=
	export work=${TMPDIR:-/tmp}/$name
	mkdir "$work"
	trap over EXIT
	(
		! declare -F enter >/dev/null || enter "$name"
		OTA_ALONE=$name exec setpriv --pdeathsig KILL unshare --mount --net --pid --ipc --uts --fork --kill-child \
			--mount-proc "${flags[@]}" "$0" "$@"
	) &
	child=$!
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	local status=0
	wait "$child" || status=$?
	exit $status
}

# over ends what still runs inside. unshare holds milder signals back; with it, all dies.
over() {
	kill -KILL "$child" 2>/dev/null || true
	wait "$child" 2>/dev/null || true
	! declare -F leave >/dev/null || leave "$(basename "$work")"
	rm -rf "$work"
}

# forgotten NAME removes what scripts that were killed have left.
forgotten() {
	local left
	for left in "${TMPDIR:-/tmp}/$1"-*; do
		if [ -d "$left" ] && ! kill -0 "${left##*-}" 2>/dev/null; then
			! declare -F leave >/dev/null || leave "$(basename "$left")"
			rm -rf "$left"
		fi
	done
}

# start NAME COMMAND... starts a program whose output goes to $work/log/NAME.
start() {
	local name=$1
	shift
	mkdir -p "$work/log"
	"$@" >"$work/log/$name" 2>&1 &
}

# await WHAT COMMAND... waits until a command succeeds, at most two minutes.
await() {
	local what=$1 until=$((SECONDS + 120))
	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS > until)); then
			echo "not in time: $what" >&2
			tail -n 20 "$work"/log/* >&2
			exit 1
		fi
		sleep 0.1
	done
}
