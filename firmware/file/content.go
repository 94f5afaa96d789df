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
	"path/filepath"

	"otafleet/internal/ota"
)

// contentDigest is the hex SHA-256 of a file's bytes, or "tree:" and that of a
// directory's names, permissions, links and files. A symbolic link counts as a
// tree of its own, because it is switched and not followed.
func contentDigest(ctx context.Context, path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if info.Mode().IsRegular() {
		if err := hashFile(ctx, h, path); err != nil {
			return "", fmt.Errorf("cannot read %s: %w", path, err)
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	if err := hashTree(ctx, h, path); err != nil {
		return "", fmt.Errorf("cannot read %s: %w", path, err)
	}
	return "tree:" + hex.EncodeToString(h.Sum(nil)), nil
}

// imageDigest is the contentDigest of a file with that content.
func imageDigest(image ota.Output) string { return hex.EncodeToString(image.SHA256[:]) }

// hashTree hashes one line for each entry, in the order of names.
func hashTree(ctx context.Context, h hash.Hash, root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		detail := ""
		switch {
		case info.Mode().IsRegular():
			content := sha256.New()
			err = hashFile(ctx, content, path)
			detail = hex.EncodeToString(content.Sum(nil))
		case info.Mode()&fs.ModeSymlink != 0:
			detail, err = os.Readlink(path)
		}
		fmt.Fprintf(h, "%q %v %q\n", name, info.Mode(), detail)
		return err
	})
}

func hashFile(ctx context.Context, h hash.Hash, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		// Between pieces a stopped agent gives up; an image may be gigabytes.
		if err := ctx.Err(); err != nil {
			return err
		}
		const piece = 4 << 20
		if _, err := io.CopyN(h, f, piece); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
