package preflight

import (
	"path"
	"strings"
	"syscall"
)

// groupsLeft is what each control group that this process is in may still take,
// from its own up to the root: each of them bounds those below it. membership is
// /proc/self/cgroup, read gives a file under root, or nothing.
//
// In a container the group's own path may not be there, but the root is the group.
func groupsLeft(root, membership string, read func(string) string) (left []int64) {
	for line := range strings.SplitSeq(membership, "\n") {
		fields := strings.SplitN(line, ":", 3) // number, controllers, path
		if len(fields) < 3 {
			continue
		}
		switch {
		case fields[1] == "":
			left = append(left, chain(root, fields[2], "memory.max", "memory.current", read)...)
			left = append(left, chain(path.Join(root, "unified"), fields[2], "memory.max", "memory.current", read)...)
		case hasMemory(fields[1]):
			left = append(left, chain(path.Join(root, "memory"), fields[2], "memory.limit_in_bytes", "memory.usage_in_bytes",
				read)...)
		}
	}
	return left
}

func hasMemory(controllers string) bool {
	for name := range strings.SplitSeq(controllers, ",") {
		if name == "memory" {
			return true
		}
	}
	return false
}

// chain is what a group and those above it may still take.
func chain(root, group, limit, used string, read func(string) string) (left []int64) {
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		dir := path.Join(root, group)
		if n := leftIn(read(path.Join(dir, limit)), read(path.Join(dir, used))); n > 0 && n < unlimited {
			left = append(left, n)
		}
		if group == "/" {
			return left
		}
	}
}

// addressesLeft is how many bytes of addresses this process may still take
// (ulimit -v); 0 without a limit. Go reserves more of them than it uses.
func addressesLeft() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err != nil || limit.Cur >= unlimited {
		return 0
	}
	return leftOf(int64(limit.Cur), read("/proc/self/status"))
}

// leftOf is what a limit leaves beside the line "VmSize:  1234 kB".
func leftOf(limit int64, status string) int64 {
	for line := range strings.SplitSeq(status, "\n") {
		if value, is := strings.CutPrefix(line, "VmSize:"); is {
			return max(1, limit-number(strings.TrimSpace(strings.TrimSuffix(value, "kB")))<<10)
		}
	}
	return max(1, limit)
}
