package real

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

// peak watches what the process takes of the machine.
type peak struct {
	began   time.Time
	sockets int
}

func newPeak() *peak { return &peak{began: time.Now()} }

// look counts the open files, which are nearly all sockets.
func (p *peak) look() {
	const files = "/proc/self/fd"
	dir, err := os.Stat(files)
	if err != nil {
		return // not Linux
	}
	if n := int(dir.Size()); n > 0 {
		p.sockets = max(p.sockets, n)
		return
	}
	// Before Linux 6.2 they have to be listed.
	names, err := os.ReadDir(files)
	if err == nil {
		p.sockets = max(p.sockets, len(names))
	}
}

func (p *peak) resources() verdict.Resources {
	r := Resources(p.began)
	r.Sockets = p.sockets
	return r
}

// Resources is what this process has taken of the machine since a run of it
// began, but for sockets.
func Resources(began time.Time) verdict.Resources {
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
