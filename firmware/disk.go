package firmware

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"otafleet/internal/ota"
)

// Disk makes the changes of an installer to a file system, each one durable
// before it returns where its comment says so. The zero Disk is ready for use.
//
// All changes pass through one hook, so that a test can cut the power between
// any two of them and a simulation can refuse one of them.
type Disk struct {
	// Before is called before every change; an error is returned instead of
	// making the change. nil lets every change happen.
	Before func(Change) error
}

// Change is one operation on a file system.
type Change struct {
	Op     Op
	Path   string // what is changed; the new name of a rename or link
	Offset int64  // of a write, in bytes
	Length int64  // of a write, in bytes
}

// Op is the kind of a change.
type Op string

// The kinds of change.
const (
	OpMkdir    Op = "mkdir"
	OpCreate   Op = "create" // or open for writing
	OpWrite    Op = "write"
	OpMode     Op = "mode" // or owner
	OpSync     Op = "sync"
	OpRename   Op = "rename"
	OpExchange Op = "exchange"
	OpLink     Op = "link"
	OpRemove   Op = "remove"
)

func (d Disk) before(op Op, path string) error {
	if d.Before == nil {
		return nil
	}
	return d.Before(Change{Op: op, Path: path})
}

// Open opens the file at path for reading and writing, and creates it where it
// is missing, readable for its owner alone. Bytes already there stay. It does
// not follow a symbolic link.
func (d Disk) Open(path string) (*File, error) {
	return d.open(path, 0)
}

func (d Disk) open(path string, flags int) (*File, error) {
	if err := d.before(OpCreate, path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|flags, 0o600)
	if err != nil {
		return nil, err
	}
	return &File{disk: d, file: f}, nil
}

// OpenDevice opens what is at path for reading and writing: a block device, or a
// file that stands for one. It makes nothing, and does not follow a symbolic
// link. A block device that is mounted, or otherwise in use, is refused with
// EBUSY.
func (d Disk) OpenDevice(path string) (*File, error) {
	if err := d.before(OpCreate, path); err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	flags := os.O_RDWR | unix.O_NOFOLLOW
	if info.Mode()&os.ModeDevice != 0 {
		flags |= unix.O_EXCL // open(2): with a block device, it must not be in use
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	return &File{disk: d, file: f}, nil
}

// Create opens the file at path as Open does, and drops what it holds.
func (d Disk) Create(path string) (*File, error) {
	return d.open(path, os.O_TRUNC)
}

// WriteFile makes data the content of the file at path. At any moment the file
// holds either the old content or the new one; the new one is durable when
// WriteFile returns.
func (d Disk) WriteFile(path string, data []byte) error {
	temporary := path + ".tmp"
	f, err := d.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.Rename(temporary, path)
}

// MkdirAll makes the directory at path and those above it that are missing,
// open to the owner alone, durably.
func (d Disk) MkdirAll(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := d.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := d.before(OpMkdir, path); err != nil {
		return err
	}
	err := os.Mkdir(path, 0o700)
	if info, statErr := os.Stat(path); errors.Is(err, fs.ErrExist) && statErr == nil && info.IsDir() {
		err = nil // another component has just made it
	}
	if err != nil {
		return err
	}
	return d.Sync(parent)
}

// Rename gives from the name to, in place of what has it now, durably.
func (d Disk) Rename(from, to string) error {
	if err := d.before(OpRename, to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return d.syncParents(from, to)
}

// Exchange swaps the names a and b, durably: at every moment both exist. The
// error is ErrNoExchange where the file system cannot do it.
func (d Disk) Exchange(a, b string) error {
	err := d.before(OpExchange, b)
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	}
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("cannot exchange %s and %s: %w", a, b, ErrNoExchange)
	case err != nil:
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return d.syncParents(a, b)
}

// ErrNoExchange says that a file system cannot swap two names in one step.
var ErrNoExchange = errors.New("the file system cannot exchange two names")

// Link gives the file at path from a second name, durably.
func (d Disk) Link(from, to string) error {
	if err := d.before(OpLink, to); err != nil {
		return err
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	return d.Sync(filepath.Dir(to))
}

// RemoveAll removes what is at path with everything below it, entry by entry,
// durably. Nothing there is no error.
func (d Disk) RemoveAll(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.remove(path, info.IsDir()); err != nil {
		return err
	}
	return d.Sync(filepath.Dir(path))
}

// remove removes one entry, a directory after its content.
func (d Disk) remove(path string, isDir bool) error {
	if isDir {
		// An unpacked directory may be closed even to its owner.
		if err := os.Chmod(path, 0o700); err != nil {
			return err
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := d.remove(filepath.Join(path, entry.Name()), entry.IsDir()); err != nil {
				return err
			}
		}
	}
	if err := d.before(OpRemove, path); err != nil {
		return err
	}
	return os.Remove(path)
}

func (d Disk) syncParents(a, b string) error {
	if err := d.Sync(filepath.Dir(b)); err != nil || filepath.Dir(a) == filepath.Dir(b) {
		return err
	}
	return d.Sync(filepath.Dir(a))
}

// SyncTree makes every file and directory below root durable, and root itself.
func (d Disk) SyncTree(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		return d.Sync(path)
	})
}

// Sync makes what is at path durable: the content of a file, or the names in a
// directory.
func (d Disk) Sync(path string) error {
	if err := d.before(OpSync, path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// Some file systems have no sync for directories; they keep names in order.
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil
}

// File is an open file whose changes pass through its Disk.
type File struct {
	disk Disk
	file *os.File
}

// ReadAt reads as os.File does.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// WriteAt writes as os.File does.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if f.disk.Before != nil {
		change := Change{Op: OpWrite, Path: f.file.Name(), Offset: off, Length: int64(len(p))}
		if err := f.disk.Before(change); err != nil {
			return 0, err
		}
	}
	return f.file.WriteAt(p, off)
}

// Sync makes every write durable.
func (f *File) Sync() error {
	if err := f.disk.before(OpSync, f.file.Name()); err != nil {
		return err
	}
	return f.file.Sync()
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Dress gives what is at path an owner and a mode, the owner first because
// changing it clears the set-user bits.
func (d Disk) Dress(path string, uid, gid int, mode fs.FileMode) error {
	if err := d.before(OpMode, path); err != nil {
		return err
	}
	if uid != os.Geteuid() || gid != os.Getegid() {
		if err := os.Lchown(path, uid, gid); err != nil {
			return err
		}
	}
	return os.Chmod(path, mode)
}

// WriteFailure gives an error of a write its protocol code: space_low where the
// disk is full, write_failed otherwise. nil, failures, what passes by itself and
// the end of a context stay as they are.
func WriteFailure(err error) error {
	var known *ota.Failure
	switch {
	case err == nil, errors.As(err, &known), Passes(err), isContextEnd(err):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return Failf(ota.SpaceLow, "%v", err)
	}
	return Failf(ota.WriteFailed, "%v", err)
}
