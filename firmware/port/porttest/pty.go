// Package porttest makes serial lines for tests, with a component's emulator at
// the far end: cables in memory, pseudo-terminals, and a line that loses and
// garbles.
//
// One flow through it: Plug makes the near end, which a configuration dials in
// memory or opens by the path of a pseudo-terminal; the emulator reads and writes
// the far end; a cut of the line closes it, and the next Plug makes another, as a
// USB adapter that was pulled and put back. In memory nothing waits for the system,
// so in a bubble of package testing/synctest the times of a protocol pass at once.
//
// It is for tests alone, and emulates no speed.
package porttest

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Far is the far end of a line. Read and Write are as of a file.
type Far struct {
	*os.File
	port string
	near *os.File // held open, so that the far end can be read while the port is closed
}

// Close hangs up: who has the port open gets an error. The name of the port
// goes first, since another line may get the terminal's number at once.
func (f *Far) Close() error {
	return errors.Join(os.Remove(f.port), f.near.Close(), f.File.Close())
}

// Plug makes a line whose port is at the path port, in place of one that was
// there, and gives its far end.
func Plug(port string) (*Far, error) {
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	number, err := unlock(far)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make a pseudo-terminal: %w", err), far.Close())
	}
	path := fmt.Sprintf("/dev/pts/%d", number)
	near, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Join(err, far.Close())
	}
	f := &Far{far, port, near}
	temporary := port + ".new"
	_ = os.Remove(temporary) // there is none but after a test that was killed
	if err := os.Symlink(path, temporary); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := os.Rename(temporary, port); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unlock makes the near end ready and gives its number.
func unlock(far *os.File) (number int, err error) {
	raw, err := far.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if failed == nil {
			failed = makeRaw(int(fd))
		}
	})
	return number, errors.Join(err, failed)
}

// makeRaw keeps the terminal from echoing before the port is opened.
func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS2, t)
}
