package firmware

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// RemoveAll removes what is at path with everything below it, entry by entry,
// durably. Nothing there is no error. It follows no link, whoever puts one
// there meanwhile, and however deep the directories are.
func (d Disk) RemoveAll(path string) error {
	return d.removeUnless(path, func(*unix.Stat_t) bool { return false })
}

// removeUnless removes what is at path, with what is below it, unless it stays.
func (d Disk) removeUnless(path string, stays func(*unix.Stat_t) bool) error {
	dir, name, err := parentOf(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.close()
	s, err := dir.stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && stays(&s) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.remove(dir, name); err != nil {
		return err
	}
	return d.syncFolder(dir)
}

// remove removes a name in a directory, and what is below it.
func (d Disk) remove(dir folder, name string) error {
	mount, err := mountOf(dir.fd)
	if err != nil {
		return err
	}
	r := remover{disk: d, top: -1, mount: mount}
	return r.remove(dir, name, 0)
}

// remover removes one tree.
type remover struct {
	disk  Disk
	top   int    // descriptor of the tree's root
	moved int    // directories that were too deep
	mount string // what the tree is part of
}

// errMount says why a directory is not emptied: what is mounted there belongs
// elsewhere, and would be lost.
var errMount = errors.New("is a mount point: unmount it, or keep it outside the directory of the component")

// mountOf names the mount of an open directory. Device numbers would not do: what
// is bound to a second place has the same.
func mountOf(fd int) (string, error) {
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // without /proc nothing is known
		return "", fmt.Errorf("cannot see where a file system ends: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if id, is := strings.CutPrefix(line, "mnt_id:"); is {
			return strings.TrimSpace(id), nil
		}
	}
	return "", nil // nor by a kernel before 3.15
}

// deepest is how many directories are open one in the other. What lies deeper is
// first moved up: the depth is its owner's choice, descriptors are few.
const deepest = 64

// remove removes one entry, a directory after its content.
func (r *remover) remove(dir folder, name string, depth int) error {
	s, err := dir.stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its owner was faster
	}
	if err != nil {
		return err
	}
	flags := 0
	if s.Mode&unix.S_IFMT == unix.S_IFDIR {
		flags = unix.AT_REMOVEDIR
		if err := r.empty(dir, name, depth); err != nil {
			return err
		}
	}
	if err := r.disk.before(OpRemove, filepath.Join(dir.path, name)); err != nil {
		return err
	}
	err = unix.Unlinkat(dir.fd, name, flags)
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return dir.failed("remove", name, err)
}

// empty removes the content of a directory.
func (r *remover) empty(dir folder, name string, depth int) error {
	if err := r.stay(dir, name); err != nil {
		return err
	}
	f, err := dir.openToEmpty(name)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written to it
	inside := folder{int(f.Fd()), f.Name()}
	if depth == 0 {
		r.top = inside.fd
	}
	for {
		const batch = 1024 // names in memory
		names, err := f.Readdirnames(batch)
		if len(names) == 0 {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		for _, entry := range names {
			if err := r.entry(inside, entry, depth+1); err != nil {
				return err
			}
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

// stay fails where another file system, or another place of this one, is mounted
// at a directory.
func (r *remover) stay(dir folder, name string) error {
	f, err := dir.openFile(name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written to it
	mount, err := mountOf(int(f.Fd()))
	if err == nil && mount != r.mount {
		err = fmt.Errorf("%s %w", f.Name(), errMount)
	}
	return err
}

// entry removes what is in a directory, or moves it up where it is too deep.
func (r *remover) entry(dir folder, name string, depth int) error {
	if depth < deepest {
		return r.remove(dir, name, depth)
	}
	s, err := dir.stat(name)
	if err != nil || s.Mode&unix.S_IFMT != unix.S_IFDIR {
		return r.remove(dir, name, depth)
	}
	for {
		r.moved++
		err := unix.Renameat(dir.fd, name, r.top, ".ota-deep-"+strconv.Itoa(r.moved))
		if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOTDIR) {
			return dir.failed("move up", name, err)
		}
	}
}

// openToEmpty opens a directory that is to be emptied. It is closed to everybody
// else first: who may write into it could fill it as fast as it is emptied. An
// unpacked directory may be closed even to its owner.
func (d folder) openToEmpty(name string) (*os.File, error) {
	f, err := d.openFile(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrPermission) {
		if err := d.chmod(name, 0o700); err != nil {
			return nil, err
		}
		f, err = d.openFile(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	}
	if err != nil {
		return nil, err
	}
	var s unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &s)
	if err == nil && int(s.Uid) != os.Geteuid() && os.Geteuid() == 0 {
		err = f.Chown(0, 0)
	}
	if err == nil && s.Mode&0o777 != 0o700 {
		err = f.Chmod(0o700)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// chmod gives a name in the directory a mode, which chmod(2) alone does only by
// following links.
func (d folder) chmod(name string, mode uint32) error {
	f, err := d.openFile(name, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written to it
	return d.failed("chmod", name, unix.Chmod("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), mode))
}

// Entry is a file, directory or link that Walk has found.
type Entry struct {
	Name string      // from the root of the walk, "." for the root itself
	Info fs.FileInfo // as Lstat gives it
	dir  folder
	base string
}

// Open opens the entry for reading.
func (e *Entry) Open() (*os.File, error) { return e.dir.openFile(e.base, unix.O_RDONLY, 0) }

// Link reads where a link leads.
func (e *Entry) Link() (string, error) {
	text, err := readlinkat(e.dir.fd, e.base)
	return text, e.dir.failed("readlink", e.base, err)
}

// ErrTooDeep says that directories lie deeper in each other than Walk goes.
var ErrTooDeep = errors.New("the directories lie too deep in each other")

// Walk visits what is at root and everything below it, in the order of names, a
// directory before its content. It follows no link.
func Walk(root string, visit func(*Entry) error) error {
	dir, name, err := parentOf(root)
	if err != nil {
		return err
	}
	defer dir.close()
	return walk(dir, name, ".", 0, visit)
}

// WalkOpen does the same below an open directory, whatever has its name now.
func WalkOpen(root *os.File, visit func(*Entry) error) error {
	return walk(folder{int(root.Fd()), root.Name()}, ".", ".", 0, visit)
}

func walk(dir folder, base, name string, depth int, visit func(*Entry) error) error {
	f, err := dir.openFile(base, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written to it
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := visit(&Entry{Name: name, Info: info, dir: dir, base: base}); err != nil || !info.IsDir() {
		return err
	}
	if depth == 2*deepest {
		return ErrTooDeep
	}
	inside := folder{int(f.Fd()), f.Name()}
	names, err := inside.names()
	if err != nil {
		return err
	}
	for _, entry := range names {
		if err := walk(inside, entry, filepath.Join(name, entry), depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// names lists the directory in order.
func (d folder) names() ([]string, error) {
	f, err := d.openFile(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written to it
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// SyncTree makes every file and directory below an open directory durable, and
// itself.
func (d Disk) SyncTree(root *os.File) error {
	return WalkOpen(root, func(e *Entry) error {
		if !e.Info.IsDir() && !e.Info.Mode().IsRegular() {
			return nil
		}
		if err := d.before(OpSync, filepath.Join(root.Name(), e.Name)); err != nil {
			return err
		}
		f, err := e.Open()
		if err != nil {
			return err
		}
		defer f.Close() // nothing was written to it
		return syncOpen(f)
	})
}

// OwnBelow gives everything below an open directory an owner, and not itself:
// while that one is closed to the owner, nothing below it can change.
func (d Disk) OwnBelow(root *os.File, uid, gid int) error {
	return WalkOpen(root, func(e *Entry) error {
		if e.Name == "." {
			return nil
		}
		if err := d.before(OpMode, filepath.Join(root.Name(), e.Name)); err != nil {
			return err
		}
		return e.dir.failed("chown", e.base, unix.Fchownat(e.dir.fd, e.base, uid, gid, unix.AT_SYMLINK_NOFOLLOW))
	})
}

// MoveUp moves everything in a directory up into the open one that holds it, and
// removes it. What is there already is an error of the kind fs.ErrExist.
func (d Disk) MoveUp(root *os.File, name string) error {
	dir := folder{int(root.Fd()), root.Name()}
	f, err := dir.openFile(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written to it
	part := folder{int(f.Fd()), f.Name()}
	names, err := part.names()
	if err != nil {
		return err
	}
	for _, entry := range names {
		if _, err := dir.stat(entry); err == nil {
			return dir.failed("move up", entry, unix.EEXIST)
		}
		if err := d.before(OpRename, filepath.Join(dir.path, entry)); err != nil {
			return err
		}
		if err := unix.Renameat(part.fd, entry, dir.fd, entry); err != nil {
			return dir.failed("move up", entry, err)
		}
	}
	if err := d.remove(dir, name); err != nil {
		return err
	}
	return d.syncFolder(dir)
}
