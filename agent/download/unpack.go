package download

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// What a zero Unpacker means.
const (
	DefaultMaxFiles    = 10_000
	DefaultMaxUnpacked = 4 << 30
)

const (
	maxName = 4096     // bytes of one name: what a system call takes
	maxText = 16 << 20 // bytes of all names together
	block   = 4096     // of a file system: what the smallest file takes
)

// Unpacker unpacks archives into directories. It accepts files and directories
// only: no link, device, absolute or climbing path, and no set-user-id bit.
type Unpacker struct {
	MaxFiles int   // entries of an archive; 0 means 10,000
	MaxBytes int64 // of all files together; 0 means 4 GiB

	free func(dir string) (int64, error) // nil asks the file system
}

// Unpack unpacks the file archive into dir, which must be empty or not exist,
// and makes everything durable. name decides the format by its ending: .tar,
// .tar.gz, .tgz, .tar.zst, .tzst, .tar.xz, .txz, .tar.bz2, .tbz2 or .zip. Every
// error is a *ota.Failure with code unpack_failed, or space_low where the disk
// is full; dir is then empty. The archive should have been verified: what this
// guards against is a mistake of its maker.
//
// ctx is heeded between the entries of the first pass, which reads the whole
// archive and writes nothing, and not while the second one writes.
func (u Unpacker) Unpack(ctx context.Context, archive, name, dir string) error {
	if err := u.unpack(ctx, archive, name, dir); err != nil {
		code := ota.UnpackFailed
		if errors.Is(err, syscall.ENOSPC) {
			code = ota.SpaceLow
		}
		return &ota.Failure{Code: code, Detail: fmt.Sprintf("cannot unpack %s: %v", name, err)}
	}
	return nil
}

func (u Unpacker) unpack(ctx context.Context, archive, name, dir string) error {
	u.MaxFiles = cmp.Or(u.MaxFiles, DefaultMaxFiles)
	u.MaxBytes = cmp.Or(u.MaxBytes, DefaultMaxUnpacked)
	format, err := formatOf(name)
	if err != nil {
		return err
	}
	if err := makeEmpty(dir); err != nil {
		return err
	}
	seen := &contents{limits: u, names: map[string]bool{}}
	if err := inspect(ctx, archive, format, seen); err != nil {
		return err
	}
	if u.free == nil {
		u.free = firmware.FreeSpace
	}
	if free, err := u.free(dir); err == nil && seen.room > free {
		return fmt.Errorf("it needs %s, %s are free: %w", ota.FormatSize(seen.room), ota.FormatSize(free), syscall.ENOSPC)
	}
	if err := u.extract(archive, format, dir); err != nil {
		return errors.Join(err, sweep(dir))
	}
	if err := syncTree(dir); err != nil {
		return errors.Join(err, sweep(dir))
	}
	return nil
}

// formatOf finds the format in a name; the answer is one of go-getter's.
func formatOf(name string) (string, error) {
	for _, format := range []string{"tar.gz", "tar.zst", "tar.xz", "tar.bz2", "tgz", "tzst", "txz", "tbz2", "tar", "zip"} {
		if strings.HasSuffix(name, "."+format) {
			return format, nil
		}
	}
	return "", errors.New("its name ends in no known format: .tar, .tar.gz, .tar.zst, .tar.xz, .tar.bz2 or .zip")
}

// makeEmpty makes dir, or checks that nothing is in it.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	}
	return nil
}

// sweep removes what a failed attempt has left in dir.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// syncTree makes everything under dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// contents collects what an archive says that it holds.
type contents struct {
	limits Unpacker
	files  int
	bytes  int64
	room   int64           // bytes that they take on a disk
	text   int             // bytes of all names
	names  map[string]bool // cleaned name; true for a file
}

// count counts one entry.
func (c *contents) count() error {
	if c.files++; c.files > c.limits.MaxFiles {
		return fmt.Errorf("it has more than %d entries", c.limits.MaxFiles)
	}
	return nil
}

// add judges one entry of size bytes.
func (c *contents) add(name string, mode fs.FileMode, size int64) error {
	if err := c.count(); err != nil {
		return err
	}
	if size < 0 || size > c.limits.MaxBytes-c.bytes {
		return fmt.Errorf("its files have more than %d bytes", c.limits.MaxBytes)
	}
	c.bytes += size
	c.room += (size + block) / block * block
	if c.text += len(name); len(name) > maxName || c.text > maxText {
		return fmt.Errorf("entry %.100q has a name of %d bytes, at most %d and %d for all of them are allowed", name,
			len(name), maxName, maxText)
	}
	if err := checkName(name); err != nil {
		return err
	}
	if err := checkMode(mode); err != nil {
		return fmt.Errorf("entry %.100q %w", name, err)
	}
	clean := path.Clean(name)
	if file, again := c.names[clean]; again && (file || !mode.IsDir()) {
		return fmt.Errorf("entry %.100q is there twice", name)
	}
	c.names[clean] = !mode.IsDir()
	return nil
}

// checkName refuses every name that could leave the directory, here or on
// another system.
func checkName(name string) error {
	switch {
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == ':' }):
		return fmt.Errorf("entry %.100q has a character that names may not have", name)
	case strings.HasPrefix(name, "/"), !filepath.IsLocal(path.Clean(name)), hasDotDot(name):
		return fmt.Errorf("entry %.100q leaves the directory", name)
	}
	return nil
}

func hasDotDot(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// checkMode refuses everything but plain files and directories that their owner
// can use.
func checkMode(mode fs.FileMode) error {
	switch {
	case !mode.IsDir() && !mode.IsRegular():
		return errors.New("is neither a file nor a directory")
	case mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return errors.New("has a set-id bit")
	case mode.IsDir() && mode&0o700 != 0o700, mode&0o400 == 0:
		return errors.New("is closed to its owner")
	}
	return nil
}
