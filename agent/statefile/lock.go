package statefile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"otafleet/internal/files"
)

const lockName = "lock"

// Busy says that another process uses the state directory. Two agents on one
// state would each undo what the other has saved.
type Busy struct {
	Dir string
	PID int // 0 if it could not be read
}

// Error names the directory and the process.
func (b *Busy) Error() string {
	if b.PID == 0 {
		return fmt.Sprintf("the state directory %s is in use by another process", b.Dir)
	}
	return fmt.Sprintf("the state directory %s is in use by process %d: stop it, or configure another state_dir", b.Dir,
		b.PID)
}

// lock takes the directory for this process until the file is closed. The
// kernel lets go of it when the process ends in any way, so that a lock never
// outlives its owner. A file that cannot be written can be locked all the same.
func (d directory) lock() (*os.File, error) {
	f, err := d.open(lockName, os.O_RDWR|os.O_CREATE)
	if Passes(err) {
		if there, readErr := d.open(lockName, os.O_RDONLY); readErr == nil {
			f, err = there, nil
		}
	}
	if errors.Is(err, files.ErrNotFile) {
		return nil, fmt.Errorf("cannot lock the state directory: %w: remove it while no agent runs", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock of the state directory: %w", err)
	}
	err = flock(f)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		busy := &Busy{Dir: d.root.Name(), PID: readPID(f)}
		return nil, errors.Join(busy, f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("cannot lock the state directory: %w", err), f.Close())
	}
	writePID(f)
	return f, nil
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// pidSize is the fixed width of the pid in the lock file, padded with spaces, so
// that it is replaced without being truncated first.
const pidSize = 12

// writePID is for whoever finds the lock taken. The lock holds without it, on a
// full disk too.
func writePID(f *os.File) {
	_, _ = f.WriteAt(fmt.Appendf(nil, "%-*d\n", pidSize-1, os.Getpid()), 0)
}

func readPID(f *os.File) int {
	b := make([]byte, pidSize)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}
