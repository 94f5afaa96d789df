package simulator

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"otafleet/simulator/verdict"
)

// resources is what this process has taken of the machine since a run of it
// began, but for sockets.
func resources(began time.Time) verdict.Resources {
	return verdict.Resources{PeakMemory: residentPeak(), Wall: time.Since(began), CPU: processorTime(),
		CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Processes: 1}
}

// processorTime is what the process has used of processors.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// residentPeak is the most memory that the process has had resident, in bytes;
// 0 where the system does not say.
func residentPeak() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
