package slot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"otafleet/firmware"
	"otafleet/internal/files"
)

// Flag is a boot loader that reads a file of two lines, "slot=a" and "tries=3";
// without a number the choice is permanent. A shell can read it with ".", such
// as that of an initramfs.
type Flag struct {
	Path string // absolute; on a file system that belongs to neither slot
	Disk firmware.Disk
}

// maxFlag bounds the flag file, in bytes.
const maxFlag = 4 << 10

// Choice reads the file.
func (f Flag) Choice(context.Context) (Choice, error) {
	data, err := files.Read(f.Path, maxFlag)
	if err != nil {
		return Choice{}, fmt.Errorf("cannot read the boot flag: %w", err)
	}
	choice, err := parseFlag(data)
	if err != nil {
		return Choice{}, fmt.Errorf("cannot understand the boot flag %s: %w", f.Path, err)
	}
	return choice, nil
}

// Choose replaces the file, or that which a link leads to: a boot loader follows
// it too.
func (f Flag) Choose(_ context.Context, choice Choice) error {
	text := fmt.Sprintf("slot=%s\ntries=%s\n", choice.Slot, choice.tries())
	path, err := followed(f.Path)
	if err == nil {
		err = f.Disk.WriteFile(path, []byte(text))
	}
	if err != nil {
		return fmt.Errorf("cannot write the boot flag: %w", err)
	}
	return nil
}

// followed is the path that a link leads to in the end, where a file is or nothing
// yet: anything else must not be replaced.
func followed(path string) (string, error) {
	const most = 40 // links, as for the kernel
	for range most {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil
		case err != nil:
			return "", err
		case info.Mode().IsRegular():
			return path, nil
		case info.Mode().Type() != fs.ModeSymlink:
			return "", fmt.Errorf("%s %w", path, files.ErrNotFile)
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path)) // from which .. starts
			if err != nil {
				return "", err
			}
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return "", fmt.Errorf("%s leads through more than %d links", path, most)
}

// parseFlag reads the lines of a flag file; others than the two are left to
// whoever wrote them.
func parseFlag(data []byte) (Choice, error) {
	values := make(map[string]string)
	for line := range bytes.Lines(data) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		values[name] = value
	}
	return parseChoice(values["slot"], values["tries"])
}
