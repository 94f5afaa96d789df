package firmware

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotFile says that what is at a path is no regular file: a directory, a pipe,
// a socket or a device.
var ErrNotFile = errors.New("is not a file")

// ReadFile reads the regular file at path, or that which a link leads to. It fails
// where the file has more than limit bytes, and with ErrNotFile where it is none: a
// pipe would be waited for.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := OpenKind(path, fs.FileMode.IsRegular)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return data, err
}

// OpenKind opens what is at path for reading, without waiting, and fails with
// ErrNotFile unless its mode is of the wanted kind.
func OpenKind(path string, wanted func(fs.FileMode) bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !wanted(info.Mode()) {
		err = fmt.Errorf("%s %w", path, ErrNotFile)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Replace makes data the file at path as WriteFile does, whatever has its name: a
// directory or a pipe goes first.
func (d Disk) Replace(path string, data []byte) error {
	for _, name := range []string{path, path + ".tmp"} {
		if info, err := os.Lstat(name); err != nil || info.Mode().IsRegular() {
			continue
		}
		if err := d.RemoveAll(name); err != nil {
			return err
		}
	}
	return d.WriteFile(path, data)
}
