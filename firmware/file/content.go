package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Bounds of what is read to know a version by its content. Beyond them it is
// known by its identity alone: what an application writes into its own file or
// directory must not keep it from being replaced.
const (
	maxHashed  = 16 << 30 // bytes of a directory's files
	maxEntries = 100_000  // of a directory
	sparse     = 64       // a file is mostly holes if it occupies less than this part of its size
	smallHoles = 64 << 20 // bytes; what is smaller is read with its holes
)

// errUnbounded says that content is not read, because it is too much.
var errUnbounded = errors.New("it has too much content to be known by it")

// treeMark begins the digest of a directory or link.
const treeMark = "tree:"

// contentDigest is the hex SHA-256 of a file's bytes, or "tree:" and that of a
// directory's names, permissions, links and files. A symbolic link counts as a
// tree of its own, because it is switched and not followed.
func contentDigest(ctx context.Context, path string) (string, error) {
	f, err := firmware.OpenRead(path)
	if err == nil {
		defer f.Close() // nothing was written to it
		info, err := f.Stat()
		if err == nil && info.Mode().IsRegular() {
			return fileDigest(ctx, f)
		}
	}
	return treeDigest(ctx, path, 0, func(visit func(*firmware.Entry) error) error { return firmware.Walk(path, visit) })
}

// openDigest is the contentDigest of an open directory, which will get mode.
func openDigest(ctx context.Context, dir *os.File, mode fs.FileMode) (string, error) {
	return treeDigest(ctx, dir.Name(), mode,
		func(visit func(*firmware.Entry) error) error { return firmware.WalkOpen(dir, visit) })
}

// fileDigest is the contentDigest of an open file.
func fileDigest(ctx context.Context, f *os.File) (string, error) {
	h := sha256.New()
	info, err := f.Stat()
	if err == nil {
		err = hashFile(ctx, h, f, info)
	}
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", f.Name(), err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// imageDigest is the contentDigest of a file with that content.
func imageDigest(image ota.Output) string { return hex.EncodeToString(image.SHA256[:]) }

// treeDigest hashes one line for each entry that walk visits. dirMode, unless it is
// 0, stands for the mode of the tree's root.
func treeDigest(ctx context.Context, root string, dirMode fs.FileMode,
	walk func(func(*firmware.Entry) error) error) (string, error) {
	h, entries, size := sha256.New(), 0, int64(0)
	err := walk(func(e *firmware.Entry) error {
		if entries++; entries > maxEntries {
			return errUnbounded
		}
		detail, mode := "", e.Info.Mode()
		switch {
		case e.Name == "." && mode.IsDir() && dirMode != 0:
			mode = fs.ModeDir | dirMode
		case mode.IsRegular():
			if size += e.Info.Size(); size > maxHashed {
				return errUnbounded
			}
			content, err := entryDigest(ctx, e)
			if err != nil {
				return err
			}
			detail = content
		case mode&fs.ModeSymlink != 0:
			target, err := e.Link()
			if err != nil {
				return err
			}
			detail = target
		}
		fmt.Fprintf(h, "%q %v %q\n", e.Name, mode, detail)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", root, err)
	}
	return treeMark + hex.EncodeToString(h.Sum(nil)), nil
}

func entryDigest(ctx context.Context, e *firmware.Entry) (string, error) {
	f, err := e.Open()
	if err != nil {
		return "", err
	}
	defer f.Close() // nothing was written to it
	return fileDigest(ctx, f)
}

func hashFile(ctx context.Context, h hash.Hash, f *os.File, info fs.FileInfo) error {
	const block = 512 // the unit of st_blocks, whatever the file system
	held := info.Sys().(*syscall.Stat_t).Blocks * block
	if info.Size() > ota.MaxFileSize || info.Size() > smallHoles && held < info.Size()/sparse {
		return errUnbounded
	}
	in := io.NewSectionReader(f, 0, info.Size())
	for {
		// Between pieces a stopped agent gives up; an image may be gigabytes.
		if err := ctx.Err(); err != nil {
			return err
		}
		const piece = 4 << 20
		if _, err := io.CopyN(h, in, piece); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// isTree reports whether a digest is that of a directory or link.
func isTree(digest string) bool { return strings.HasPrefix(digest, treeMark) }
