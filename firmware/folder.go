package firmware

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links on the way to a directory are followed.
const maxLinks = 40

// folder is an open directory. What is done in it is done by its descriptor and
// a name: who renames something on the path that led to it, or puts a link
// there, changes nothing any more.
type folder struct {
	fd   int
	path string // for errors, and for the hook of a Disk
}

func (d folder) close() { _ = unix.Close(d.fd) } // nothing was written through it

// parentOf opens the directory that holds path, and gives the name in it.
func parentOf(path string) (folder, string, error) {
	path = filepath.Clean(path)
	d, err := openFolder(filepath.Dir(path))
	return d, filepath.Base(path), err
}

// openFolder opens the directory at path, step by step. A link is followed where
// it belongs to root or to the agent's own user, as links in configured paths do.
// One of another user is refused: it may lead anywhere, and change at any time.
func openFolder(path string) (folder, error) {
	fd, steps, err := begin(path)
	for links := 0; err == nil && len(steps) > 0; {
		var next int
		next, err = openat(fd, steps[0], unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			var target string
			if target, err = trustedLink(fd, steps[0]); err != nil {
				break
			}
			if links++; links > maxLinks {
				err = unix.ELOOP
				break
			}
			rest := filepath.Join(append([]string{target}, steps[1:]...)...)
			if !filepath.IsAbs(target) {
				steps = strings.FieldsFunc(rest, isSlash)
				continue
			}
			_ = unix.Close(fd)
			fd, steps, err = begin(rest)
			continue
		}
		if err == nil {
			_ = unix.Close(fd)
			fd, steps = next, steps[1:]
		}
	}
	if err != nil {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		return folder{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return folder{fd, path}, nil
}

// begin opens where a path starts, and gives the steps from there.
func begin(path string) (fd int, steps []string, err error) {
	at := "."
	if filepath.IsAbs(path) {
		at = "/"
	}
	fd, err = openat(unix.AT_FDCWD, at, unix.O_PATH|unix.O_DIRECTORY, 0)
	return fd, strings.FieldsFunc(filepath.Clean(path), isSlash), err
}

func isSlash(r rune) bool { return r == '/' }

// trustedLink reads the link name in a directory.
func trustedLink(dir int, name string) (string, error) {
	fd, err := openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var s unix.Stat_t
	switch err := unix.Fstat(fd, &s); {
	case err != nil:
		return "", err
	case s.Mode&unix.S_IFMT != unix.S_IFLNK:
		return "", unix.ENOTDIR
	case s.Uid != 0 && int(s.Uid) != os.Geteuid():
		return "", errOthersLink
	}
	return readlinkat(fd, "")
}

// errOthersLink says why a link on a path is not followed.
var errOthersLink = errors.New("a link on the way belongs to another user, and is not followed")

func readlinkat(dir int, name string) (string, error) {
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, text)
	if err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

// openat opens a name in a directory for this process alone.
func openat(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// openFile opens a name in the directory, and does not follow a link there.
func (d folder) openFile(name string, flags int, mode uint32) (*os.File, error) {
	path := filepath.Join(d.path, name)
	// Nothing writes to a pipe that was put in the place of a file.
	fd, err := openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, mode)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// stat looks at a name in the directory, without following a link.
func (d folder) stat(name string) (unix.Stat_t, error) {
	var s unix.Stat_t
	err := unix.Fstatat(d.fd, name, &s, unix.AT_SYMLINK_NOFOLLOW)
	return s, d.failed("stat", name, err)
}

// sync makes the names in the directory durable.
func (d folder) sync() error {
	f, err := d.openFile(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written to it
	return syncOpen(f)
}

// syncOpen makes a file or the names in a directory durable. Some file systems
// have no sync for directories; they keep names in order.
func syncOpen(f *os.File) error {
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil
}

func (d folder) failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

// OpenRead opens the file or directory at path for reading. It follows no link
// at the path's end, and does not wait at a pipe.
func OpenRead(path string) (*os.File, error) {
	d, name, err := parentOf(path)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return d.openFile(name, unix.O_RDONLY, 0)
}

// OpenName opens what is at path, whatever it is, to look at it and not to read
// it. A link is not followed.
func OpenName(path string) (*os.File, error) {
	d, name, err := parentOf(path)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return d.openFile(name, unix.O_PATH, 0)
}
