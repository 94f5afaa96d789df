// Package files reads files at paths where something else may be: a directory, a pipe, a socket, a file without end.
//
// One flow through it: Read opens a path without waiting, looks
// whether a file is there, and reads it if it is as short as its reader expects.
//
// It writes nothing, and does not judge links: a link to a file is one.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Why a path gives nothing to read, beside the errors of the system.
var (
	// ErrNotFile says that what is at a path is no regular file: a directory, a
	// pipe, a socket, a device, or links that lead in a circle.
	ErrNotFile = errors.New("is not a file")
	// ErrTooLong says that a file is longer than any that its reader knows.
	ErrTooLong = errors.New("is too long")
)

// NoFile reports whether an error of this package says that what is at a path
// cannot be a file of its reader's, whatever the storage does.
func NoFile(err error) bool { return errors.Is(err, ErrNotFile) || errors.Is(err, ErrTooLong) }

// Read reads the regular file at path, or that which a link leads to. It fails
// with ErrTooLong where the file has more than limit bytes, and with ErrNotFile
// where it is none: a pipe would be waited for.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	return readAll(f, path, limit)
}

// ReadIn is Read of a path that is relative to a directory, and does not lead out of
// it.
func ReadIn(dir *os.Root, path string, limit int64) ([]byte, error) {
	f, err := openKind(dir.OpenFile, path, fs.FileMode.IsRegular)
	if err != nil {
		return nil, err
	}
	return readAll(f, path, limit)
}

// ReadPlain is ReadIn of a path on which there is no link, not even within the directory.
func ReadPlain(dir *os.Root, path string, limit int64) ([]byte, error) {
	for at := range path {
		if at > 0 && path[at] == '/' {
			if err := plain(dir, path[:at]); err != nil {
				return nil, err
			}
		}
	}
	if err := plain(dir, path); err != nil {
		return nil, err
	}
	return ReadIn(dir, path, limit)
}

// plain fails if what is at a path is a link.
func plain(dir *os.Root, path string) error {
	info, err := dir.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		err = fmt.Errorf("%s %w, but a link", path, ErrNotFile)
	}
	return err
}

func readAll(f *os.File, path string, limit int64) ([]byte, error) {
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var data []byte
	if info.Size() <= limit { // files of /proc and /sys say 0, and have more
		data, err = io.ReadAll(io.LimitReader(f, limit+1))
	}
	if err == nil && max(info.Size(), int64(len(data))) > limit {
		return nil, fmt.Errorf("%s %w: more than %d bytes", path, ErrTooLong, limit)
	}
	return data, err
}

// Open opens the regular file at path, or that which a link leads to, without
// waiting. It fails with ErrNotFile where it is none.
func Open(path string) (*os.File, error) { return OpenKind(path, fs.FileMode.IsRegular) }

// OpenKind opens what is at path for reading, without waiting, and fails with
// ErrNotFile unless its mode is of the wanted kind.
func OpenKind(path string, wanted func(fs.FileMode) bool) (*os.File, error) {
	return openKind(os.OpenFile, path, wanted)
}

func openKind(open func(name string, flag int, perm os.FileMode) (*os.File, error), path string,
	wanted func(fs.FileMode) bool) (*os.File, error) {
	f, err := open(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ELOOP) { // a socket, a circle
		return nil, fmt.Errorf("%s %w", path, ErrNotFile)
	}
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
