package slot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"otafleet/firmware"
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
	data, err := readBounded(f.Path, maxFlag)
	if err != nil {
		return Choice{}, fmt.Errorf("cannot read the boot flag: %w", err)
	}
	choice, err := parseFlag(data)
	if err != nil {
		return Choice{}, fmt.Errorf("cannot understand the boot flag %s: %w", f.Path, err)
	}
	return choice, nil
}

// Choose replaces the file.
func (f Flag) Choose(_ context.Context, choice Choice) error {
	text := fmt.Sprintf("slot=%s\ntries=%s\n", choice.Slot, choice.tries())
	if err := f.Disk.WriteFile(f.Path, []byte(text)); err != nil {
		return fmt.Errorf("cannot write the boot flag: %w", err)
	}
	return nil
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

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return data, err
}
