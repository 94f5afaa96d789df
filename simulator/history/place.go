package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"otafleet/internal/files"
)

// Place has the files of a record, or of several below it: a directory (Dir), or what a
// bucket has under a prefix (package bucket). It is safe for concurrent use.
type Place interface {
	// String names the place as a user does.
	String() string
	// Below is a place of its own in this one.
	Below(name string) Place
	// Names lists what lies directly in the place, sorted, with a slash behind the names of
	// places. In a place that is not there, nothing does.
	Names(ctx context.Context) ([]string, error)
	// Open reads a file; the error is one of fs.ErrNotExist if it is not there.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Create writes a file piece by piece, and goes on when ctx ends: the record of a run
	// that was interrupted is completed. The file is whole once Close has succeeded.
	Create(ctx context.Context, name string) (io.WriteCloser, error)
	// Write writes a file, whole or not at all. Where files are written once, the error
	// is one of fs.ErrExist if another one is there.
	Write(ctx context.Context, name string, data []byte) error
	// WriteOnce reports whether a file is not written again once it is there.
	WriteOnce() bool
}

// Dir is a directory, by its path. It is made when something is written into it.
type Dir string

// String is the path.
func (d Dir) String() string { return string(d) }

// Below is a directory in this one.
func (d Dir) Below(name string) Place { return Dir(d.path(name)) }

func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// Names lists the directory. Links to directories are such.
func (d Dir) Names(context.Context) (names []string, err error) {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, entry := range entries {
		name := entry.Name()
		if info, err := os.Stat(d.path(name)); err == nil && info.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return names, err
}

// Open opens a file, and nothing else.
func (d Dir) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return files.Open(d.path(name))
}

// Create makes a file.
func (d Dir) Create(_ context.Context, name string) (io.WriteCloser, error) {
	if err := os.MkdirAll(string(d), 0o777); err != nil {
		return nil, err
	}
	return os.Create(d.path(name))
}

// Write replaces a file.
func (d Dir) Write(_ context.Context, name string, data []byte) error {
	path := d.path(name)
	err := os.MkdirAll(string(d), 0o777)
	if err == nil {
		err = os.WriteFile(path+".new", data, 0o666)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(path+".new"))
	}
	return nil
}

// WriteOnce is false: a file of a directory is replaced by its new content in one step.
func (d Dir) WriteOnce() bool { return false }

// pathOf names a file of a place in what is said to users.
func pathOf(place Place, name string) string { return place.Below(name).String() }

// readFile reads a file of at most so many bytes.
func readFile(ctx context.Context, place Place, name string, limit int64) (data []byte, err error) {
	file, err := place.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err = io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s %w: more than %d bytes", pathOf(place, name), files.ErrTooLong, limit)
	}
	return data, err
}
