// Package scenarios holds the bundled scenarios: one file each, one page each,
// with a sentence on what it proves. They run by name (ota-sim run thousand),
// are listed by ota-sim list, and make good starting points for scenarios of
// your own.
package scenarios

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"otafleet/internal/files"
)

//go:embed *.yaml
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
