package journal

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
func (j *Journal) readOnly() error {
	j.closeFiles()
	missing := 0
	for i := range j.files {
		f, err := j.disk.Read(fileName(i))
		if errors.Is(err, fs.ErrNotExist) && missing == 0 {
			missing++
			continue
		}
		if err != nil {
			return err
		}
		j.files[i] = f
	}
	return nil
}

// mend prepares the files of a directory that could only be read when it was opened,
// and finds the latest state anew: one of the files may be another one now.
func (j *Journal) mend() error {
	if !j.unready {
		return nil
	}
	j.closeFiles()
	err := j.prepare(j.reserve)
	if err == nil {
		_, err = j.locate()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot save the state: %w", err), j.readOnly())
	}
	j.unready = false
	return nil
}

func (j *Journal) closeFiles() {
	for i, f := range j.files {
		if f != nil {
			_ = f.Close()
			j.files[i] = nil
		}
	}
}
