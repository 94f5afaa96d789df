// Package scenarios holds the bundled scenarios: one file each, one page each,
// with a sentence on what it proves; what some of them are put together of lies in
// parts, and lines that were recorded in traces. They run by name (ota-sim run thousand),
// are listed by ota-sim list, and make good starting points for scenarios of
// your own.
package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"otafleet/internal/files"
)

//go:embed *.yaml parts traces
var bundled embed.FS

// Names lists the bundled scenarios in alphabetical order.
func Names() []string {
	files, err := fs.Glob(bundled, "*.yaml")
	if err != nil {
		panic("internal error: " + err.Error()) // the pattern is constant
	}
	for i := range files {
		files[i] = strings.TrimSuffix(files[i], ".yaml")
	}
	return files
}

// maxBytes is more than any scenario has. What is longer is cut there, and
// refused by whoever reads it.
const maxBytes = 1<<20 + 1

// Read returns a scenario's text: that of the file at the path, or of the
// bundled scenario of the name.
func Read(pathOrName string) ([]byte, error) {
	text, err := readFile(pathOrName)
	if err == nil {
		return text, nil
	}
	if text, bundledErr := bundled.ReadFile(strings.TrimSuffix(pathOrName, ".yaml") + ".yaml"); bundledErr == nil {
		return text, nil
	}
	return nil, fmt.Errorf("cannot read the scenario: %w; bundled ones are %s", err, strings.Join(Names(), ", "))
}

// Beside returns what reads the files beside the scenario that Read finds: those in
// its directory and below, by their path from there, of at most limit bytes. Links are
// not followed. It returns nil for what has no directory, such as standard input.
func Beside(pathOrName string) func(path string, limit int64) ([]byte, error) {
	if info, err := os.Stat(pathOrName); err == nil {
		if !info.Mode().IsRegular() {
			return nil
		}
		return func(path string, limit int64) ([]byte, error) { return readIn(filepath.Dir(pathOrName), path, limit) }
	}
	return func(path string, _ int64) ([]byte, error) { return bundled.ReadFile(path) }
}

func readIn(dir, path string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	text, err := files.ReadPlain(root, path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s", filepath.Join(dir, path))
	}
	return text, err
}

func readFile(path string) ([]byte, error) {
	open := files.Open
	if strings.HasPrefix(path, "/dev/") {
		open = os.Open // /dev/stdin, or what a shell has opened and fills: /dev/fd/63
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBytes))
}
