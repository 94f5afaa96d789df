# Sourced by the scripts that start processes.

# await PID LOG COMMAND... waits until a command succeeds. Where the process has ended
# before, or after two minutes, the script ends with the end of the process's log.
await() {
	local pid=$1 log=$2 until=$((SECONDS + 120))
	shift 2
	until "$@"; do
		if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > until)); then
			printf 'in vain: %s\n' "$*" >&2
			tail -n 20 "$log" >&2
			exit 1
		fi
		sleep 0.1
	done
}

# listens PORT tells whether a process listens on 127.0.0.1.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
