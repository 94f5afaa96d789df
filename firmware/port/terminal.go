package port

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errUnusable says that there is something at the path, and that it cannot be used
// as a serial port.
var errUnusable = errors.New("cannot use the port")

// terminal is a serial port of the system.
type terminal struct{ *os.File }

func openTerminal(cfg Config) (Conn, error) {
	file, err := os.OpenFile(cfg.Path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	t := terminal{file}
	if err := t.claim(cfg); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return t, nil
}

// claim takes the port for this process alone and makes it raw. Some programs ask
// for the lock, others do not: for those the terminal itself is closed to all but
// the system's administrator.
func (t terminal) claim(cfg Config) error {
	return t.control(func(fd int) error {
		if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return unix.EBUSY
		}
		settings, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err != nil {
			return fmt.Errorf("%w: %s is not a serial port: %w", errUnusable, cfg.Path, err)
		}
		settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0
		// Not HUPCL: closing the port must not reset what hangs on its DTR.
		settings.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.BOTHER
		settings.Ispeed, settings.Ospeed = uint32(cfg.Baud), uint32(cfg.Baud)
		settings.Cc[unix.VMIN], settings.Cc[unix.VTIME] = 1, 0
		if err := unix.IoctlSetTermios(fd, unix.TCSETS2, settings); err != nil {
			return fmt.Errorf("%w: %s does not take %d baud: %w", errUnusable, cfg.Path, cfg.Baud, err)
		}
		if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
			return fmt.Errorf("%w: %s cannot be taken for this program alone: %w", errUnusable, cfg.Path, err)
		}
		return nil
	})
}

// control calls f with the port's descriptor.
func (t terminal) control(f func(fd int) error) error {
	raw, err := t.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// Close gives the port back.
func (t terminal) Close() error {
	// It would stay taken for as long as another program has it open. A port that has
	// gone belongs to no program.
	_ = t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0) })
	return t.File.Close()
}

// Drop forgets what has come and was not read.
func (t terminal) Drop() {
	// A port that cannot do it has nothing to forget or fails at the next read.
	_ = t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) })
}
