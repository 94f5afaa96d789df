package firmware

import (
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// KeepDescriptors keeps from the programs that this process runs what it has
// inherited itself beside the three standard streams: whoever started it may have
// left files open that are not for them. It belongs at the start of a program.
func KeepDescriptors() {
	const first = 3
	if unix.CloseRange(first, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	keepListed(first) // a kernel before 5.11
}

// keepListed does it one by one. Without /proc nothing can be found, or done.
func keepListed(first int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}
