package statefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"otafleet/internal/files"
)

// Disk is the state directory. Names are plain file names within it.
type Disk interface {
	// Open opens a file for reading and writing, and creates it (mode 0600) if
	// it is missing. It fails with files.ErrNotFile where something else has its
	// name.
	Open(name string) (File, error)
	// Read opens a file for reading alone; fs.ErrNotExist if there is none.
	Read(name string) (File, error)
	// Rename replaces one file by another in one step.
	Rename(from, to string) error
	// Remove deletes a file; fs.ErrNotExist if there is none.
	Remove(name string) error
	// Names lists the files.
	Names() ([]string, error)
	// Sync makes created, renamed and removed names survive a power cut.
	Sync() error
}

// File is an open file of a Disk.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the length in bytes.
	Size() (int64, error)
	// Sync makes what was written survive a power cut.
	Sync() error
}

// directory is the Disk of the operating system. The os.Root keeps every name
// inside it.
type directory struct{ root *os.Root }

// openDirectory makes the directory (mode 0700) if it is missing, durably: a
// state directory that a cut takes away would take the state with it.
func openDirectory(path string) (directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return directory{}, fmt.Errorf("cannot make the state directory: %w", err)
	}
	parent, err := os.OpenRoot(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return directory{}, fmt.Errorf("cannot open the parent of the state directory: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return directory{}, errors.Join(fmt.Errorf("cannot open the state directory: %w", err), parent.Close())
	}
	if err := errors.Join(directory{parent}.Sync(), parent.Close()); err != nil {
		return directory{}, errors.Join(fmt.Errorf("cannot keep the state directory: %w", err), root.Close())
	}
	return directory{root: root}, nil
}

func (d directory) Open(name string) (File, error) {
	return asFile(d.open(name, os.O_RDWR|os.O_CREATE))
}

func (d directory) Read(name string) (File, error) { return asFile(d.open(name, os.O_RDONLY)) }

func asFile(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// open follows no link: what is written under two names would be lost under both.
func (d directory) open(name string, flags int) (*os.File, error) {
	path := filepath.Join(d.root.Name(), name)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s %w", path, files.ErrNotFile)
	}
	f, err := d.root.OpenFile(name, flags, 0o600)
	var where *fs.PathError
	if errors.As(err, &where) {
		where.Path = path
	}
	return f, err
}

// Rename takes a directory away that has come in the place of to: the name is the
// store's.
func (d directory) Rename(from, to string) error {
	err := d.root.Rename(from, to)
	if errors.Is(err, syscall.EISDIR) {
		if err = d.root.RemoveAll(to); err == nil {
			err = d.root.Rename(from, to)
		}
	}
	return err
}

// Remove removes a file, and a directory that has come in its place with all that
// is in it: the name is the store's.
func (d directory) Remove(name string) error {
	err := d.root.Remove(name)
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		return d.root.RemoveAll(name)
	}
	return err
}

func (d directory) Names() ([]string, error) {
	dir, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	return names, errors.Join(err, dir.Close())
}

func (d directory) Sync() error {
	dir, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

type file struct{ *os.File }

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f file) Sync() error { return syncData(f.File) }
