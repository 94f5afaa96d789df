package firmware

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"otafleet/internal/ota"
)

// Need is a file that a job wants to have on the disk.
type Need struct {
	Path string
	Size int64 // bytes
}

// margin is what a job leaves free for the agent's own state and the file
// system's.
const margin = 256 << 10

// CheckSpace refuses a job, with code space_low, whose files do not fit the
// free space of their file systems. What a file already occupies counts as
// there.
func CheckSpace(needs []Need) error {
	missing := make(map[uint64]int64)
	dirs := make(map[uint64]string)
	for _, n := range needs {
		dir := existing(filepath.Dir(n.Path))
		device, err := deviceOf(dir)
		if err != nil {
			return fmt.Errorf("cannot find the file system of %s: %w", n.Path, err)
		}
		missing[device] += max(0, n.Size-allocated(n.Path))
		dirs[device] = dir
	}
	for device, dir := range dirs {
		free, err := FreeSpace(dir)
		if err != nil {
			return err
		}
		if missing[device] > 0 && missing[device]+margin > free {
			return Failf(ota.SpaceLow, "needs %s, %s free at %s: %s too few",
				ota.FormatSize(missing[device]+margin), ota.FormatSize(free), dir, ota.FormatSize(missing[device]+margin-free))
		}
	}
	return nil
}

// FreeSpace is the number of bytes that the agent may still write to the file
// system of dir.
func FreeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("cannot ask for the free space of %s: %w", dir, err)
	}
	// In fragments: Bsize is what is good to write at once, and larger on some.
	return int64(s.Bavail) * int64(s.Frsize), nil
}

// existing is dir, or the nearest directory above that exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func deviceOf(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return uint64(info.Sys().(*syscall.Stat_t).Dev), nil
}

// allocated is what a file occupies, 0 where there is none.
func allocated(path string) int64 {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	const block = 512 // the unit of st_blocks, whatever the file system
	return info.Sys().(*syscall.Stat_t).Blocks * block
}
