package statefile

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Passes reports whether an error of Open or Load is the storage's, which may give
// and take again what it does not at the moment: it is mounted read-only, full, or
// fails.
func Passes(err error) bool {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return false
	}
	switch number {
	case syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT:
		return true
	}
	return false
}

// readOnly opens the files of a directory that takes nothing. One may be missing: the
// other one has the state. Where both are, nothing is known of the device: another
// file system, which has them, may not be mounted yet.
func (s *Store) readOnly() error {
	s.closeFiles()
	missing := 0
	for i := range s.files {
		f, err := s.disk.Read(fileName(i))
		if errors.Is(err, fs.ErrNotExist) && missing == 0 {
			missing++
			continue
		}
		if err != nil {
			return err
		}
		s.files[i] = f
	}
	return nil
}

// mend prepares the files of a directory that could only be read when it was opened,
// and finds the latest state anew: one of the files may be another one now.
func (s *Store) mend() error {
	if !s.unready {
		return nil
	}
	s.closeFiles()
	err := s.prepare(s.reserve)
	if err == nil {
		_, err = s.locate()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot save the state: %w", err), s.readOnly())
	}
	s.unready = false
	return nil
}

func (s *Store) closeFiles() {
	for i, f := range s.files {
		if f != nil {
			_ = f.Close()
			s.files[i] = nil
		}
	}
}
