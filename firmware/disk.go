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
// not follow a symbolic link. What is there and is not a file of the agent's own
// user with this one name is refused with ErrNotOwn: its bytes are another's.
func (d Disk) Open(path string) (*File, error) {
	return d.open(path, false)
}

// Create opens the file at path as Open does, and drops what it holds.
func (d Disk) Create(path string) (*File, error) {
	return d.open(path, true)
}

// ErrNotOwn says that what is at a path was not made by the agent.
var ErrNotOwn = errors.New("it is not a file that the agent has made")

func (d Disk) open(path string, empty bool) (*File, error) {
	if err := d.before(OpCreate, path); err != nil {
		return nil, err
	}
	dir, name, err := parentOf(path)
	if err != nil {
		return nil, err
	}
	defer dir.close()
	f, err := dir.openFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// Looked at by the descriptor: a name may mean another file by now.
	var s unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &s)
	if err == nil && !own(&s) {
		err = ErrNotOwn
	}
	if err == nil && empty {
		err = f.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(dir.failed("open", name, err), f.Close())
	}
	return &File{disk: d, file: f}, nil
}

// own reports whether a file is one that the agent has made: another user's, or
// a second name of any file, may be a trap for what is written to it.
func own(s *unix.Stat_t) bool {
	return s.Mode&unix.S_IFMT == unix.S_IFREG && int(s.Uid) == os.Geteuid() && s.Nlink == 1
}

// CheckOwn fails with ErrNotOwn unless an open file is one that the agent has made,
// and to which no other user can write.
func CheckOwn(f *os.File) error {
	var s unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &s)
	if err == nil && (!own(&s) || s.Mode&0o022 != 0) {
		err = ErrNotOwn
	}
	if err != nil {
		return &fs.PathError{Op: "use", Path: f.Name(), Err: err}
	}
	return nil
}

// Clear removes what is at path, durably, unless Open would open it and it has at
// most so many bytes: of a longer one the end would stay.
func (d Disk) Clear(path string, most int64) error {
	return d.removeUnless(path, func(s *unix.Stat_t) bool { return own(s) && s.Size <= most })
}

// OpenDevice opens what is at path for reading and writing: a block device, or a
// file that stands for one. It makes nothing, and does not follow a symbolic
// link. A block device that is mounted, or otherwise in use, is refused with
// EBUSY.
func (d Disk) OpenDevice(path string) (*File, error) {
	if err := d.before(OpCreate, path); err != nil {
		return nil, err
	}
	dir, name, err := parentOf(path)
	if err != nil {
		return nil, err
	}
	defer dir.close()
	s, err := dir.stat(name)
	if err != nil {
		return nil, err
	}
	flags := os.O_RDWR
	if s.Mode&unix.S_IFMT == unix.S_IFBLK {
		flags |= unix.O_EXCL // open(2): with a block device, it must not be in use
	}
	f, err := dir.openFile(name, flags, 0)
	if err != nil {
		return nil, err
	}
	return &File{disk: d, file: f}, nil
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

// MkdirAll makes the directory at path and those above it that are missing,
// open to the owner alone, durably.
func (d Disk) MkdirAll(path string) error {
	if dir, err := openFolder(path); err == nil {
		dir.close()
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
	dir, name, err := parentOf(path)
	if err != nil {
		return err
	}
	defer dir.close()
	if err := unix.Mkdirat(dir.fd, name, 0o700); err != nil {
		made, openErr := openFolder(path)
		if !errors.Is(err, fs.ErrExist) || openErr != nil {
			return dir.failed("mkdir", name, err)
		}
		made.close() // another component has just made it
	}
	return d.syncFolder(dir)
}

// Rename gives from the name to, in place of what has it now, durably.
func (d Disk) Rename(from, to string) error {
	return d.twoNames(OpRename, from, to, func(a folder, from string, b folder, to string) error {
		return unix.Renameat(a.fd, from, b.fd, to)
	})
}

// Exchange swaps the names a and b, durably: at every moment both exist. The
// error is ErrNoExchange where the file system or the kernel cannot do it.
func (d Disk) Exchange(a, b string) error {
	err := d.twoNames(OpExchange, a, b, func(inA folder, a string, inB folder, b string) error {
		return unix.Renameat2(inA.fd, a, inB.fd, b, unix.RENAME_EXCHANGE)
	})
	// A filter of system calls that does not know this one answers with EPERM.
	for _, unable := range []error{unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM} {
		if errors.Is(err, unable) {
			return fmt.Errorf("%w (%w)", ErrNoExchange, err)
		}
	}
	return err
}

// ErrNoExchange says that a file system cannot swap two names in one step.
var ErrNoExchange = errors.New("the file system cannot exchange two names")

// Link gives the file at path from a second name, durably.
func (d Disk) Link(from, to string) error {
	return d.twoNames(OpLink, from, to, func(a folder, from string, b folder, to string) error {
		return unix.Linkat(a.fd, from, b.fd, to, 0)
	})
}

// twoNames makes a change that is about two names, and makes it durable.
func (d Disk) twoNames(op Op, from, to string, change func(a folder, from string, b folder, to string) error) error {
	if err := d.before(op, to); err != nil {
		return &os.LinkError{Op: string(op), Old: from, New: to, Err: err}
	}
	a, fromName, err := parentOf(from)
	if err != nil {
		return err
	}
	defer a.close()
	b, toName, err := parentOf(to)
	if err != nil {
		return err
	}
	defer b.close()
	if err := change(a, fromName, b, toName); err != nil {
		return &os.LinkError{Op: string(op), Old: from, New: to, Err: err}
	}
	if err := d.syncFolder(b); err != nil || a.path == b.path || op == OpLink {
		return err
	}
	return d.syncFolder(a)
}

// syncFolder makes the names in an open directory durable.
func (d Disk) syncFolder(dir folder) error {
	if err := d.before(OpSync, dir.path); err != nil {
		return err
	}
	return dir.sync()
}

// Sync makes what is at path durable: the content of a file, or the names in a
// directory, to which a link may lead.
func (d Disk) Sync(path string) error {
	if err := d.before(OpSync, path); err != nil {
		return err
	}
	if dir, err := openFolder(path); err == nil {
		defer dir.close()
		return dir.sync()
	}
	f, err := OpenRead(path)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written to it
	return syncOpen(f)
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

// Dress gives an open file or directory an owner and a mode, the owner first
// because changing it clears the set-user bits. Its capabilities stay.
func (d Disk) Dress(f *os.File, uid, gid int, mode fs.FileMode) error {
	if err := d.before(OpMode, f.Name()); err != nil {
		return err
	}
	attributes, err := Attributes(f)
	if err != nil {
		return err
	}
	if uid != os.Geteuid() || gid != os.Getegid() {
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	return d.SetAttributes(f, attributes)
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
