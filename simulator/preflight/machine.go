package preflight

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Machine is what a machine has for a process. What the system does not say is 0
// and holds nothing up.
type Machine struct {
	Files      int64 // that this process may have open; Go has raised it as far as a user may
	Ports      int64 // that connections to one address may come from, of one address of ours
	Memory     int64 // bytes that are free, or can be made so
	Processors int
}

// Look reads what this machine has.
func Look() (Machine, error) {
	m := Machine{Processors: runtime.GOMAXPROCS(0)}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return m, fmt.Errorf("cannot ask how many files may be open: %w", err)
	}
	m.Files = bounded(limit.Cur)
	m.Ports = portsIn(read("/proc/sys/net/ipv4/ip_local_port_range"))
	m.Memory = availableIn(read("/proc/meminfo"))
	for _, left := range append(groupsLeft("/sys/fs/cgroup", read("/proc/self/cgroup"), read), addressesLeft()) {
		if left > 0 && (m.Memory == 0 || left < m.Memory) {
			m.Memory = left
		}
	}
	return m, nil
}

// unlimited stands for a number without a bound.
const unlimited = 1 << 40

func bounded(n uint64) int64 { return int64(min(n, unlimited)) }

// read is a small file of the system; empty if there is none.
func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// portsIn takes the first and the last port.
func portsIn(text string) int64 {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return 0
	}
	first, last := number(fields[0]), number(fields[1])
	if first == 0 || last < first {
		return 0
	}
	return last - first + 1
}

// availableIn finds the line "MemAvailable:   23598000 kB".
func availableIn(text string) int64 {
	for line := range strings.SplitSeq(text, "\n") {
		if value, is := strings.CutPrefix(line, "MemAvailable:"); is {
			return number(strings.TrimSpace(strings.TrimSuffix(value, "kB"))) << 10
		}
	}
	return 0
}

// leftIn is what a control group may still take; 0 without a limit.
func leftIn(limit, current string) int64 {
	most := number(strings.TrimSpace(limit))
	if most == 0 {
		return 0
	}
	return max(1, most-number(strings.TrimSpace(current)))
}

// number is a whole number; 0 if it is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
