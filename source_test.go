package otafleet_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is the path under which the tree's packages are imported.
const module = "otafleet"

// source is one Go file of the tree, under whatever build tag it stands.
type source struct {
	path  string // from the root, with slashes: agent/runner.go
	pkg   string // its directory: agent
	test  bool
	lines int
	ast   *ast.File
}

// imports gives the paths that the file imports.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.ast.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, imported)
	}
	return paths
}

// What most tests look at is read and parsed once for all of them.
var (
	readTexts    = sync.OnceValues(walkTexts)
	parseSources = sync.OnceValues(walkSources)
)

// sources gives every Go file, in the order of the paths.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parseSources()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// walkSources parses every Go file. It reads files rather than asking the go
// command, which sees only those of one build configuration.
func walkSources() ([]source, error) {
	contents, err := readTexts()
	if err != nil {
		return nil, err
	}
	var all []source
	for name, content := range contents {
		if path.Ext(name) != ".go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		all = append(all, source{
			path:  name,
			pkg:   path.Dir(name),
			test:  strings.HasSuffix(name, "_test.go"),
			lines: bytes.Count(content, []byte("\n")),
			ast:   file,
		})
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// packages groups the sources by package.
func packages(t *testing.T) map[string][]source {
	t.Helper()
	byPackage := make(map[string][]source)
	for _, s := range sources(t) {
		byPackage[s.pkg] = append(byPackage[s.pkg], s)
	}
	return byPackage
}

// texts gives every text file of the tree, by path.
func texts(t *testing.T) map[string][]byte {
	t.Helper()
	all, err := readTexts()
	require.NoError(t, err)
	return all
}

// walkTexts reads every text file. What programs make, what tests feed them and
// what git keeps is left out.
func walkTexts() (map[string][]byte, error) {
	left := []string{".git", ".cache", "bin", "dist", "out", "testdata"}
	all := make(map[string][]byte)
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(left, entry.Name()):
			return filepath.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(name)
		if err == nil && !bytes.ContainsRune(content, 0) {
			all[filepath.ToSlash(name)] = content
		}
		return err
	})
	return all, err
}

// covers reports whether one of the patterns stands for the package: a path as
// it is, dir/* for the packages directly below dir, dir/... for dir and all
// below it, ... for all.
func covers(patterns, pkg string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(pattern string) bool {
		if dir, all := strings.CutSuffix(pattern, "/..."); all {
			return within(dir, pkg)
		}
		matched, _ := path.Match(pattern, pkg)
		return matched || pattern == "..."
	})
}

// within reports whether the path is dir or lies below it.
func within(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}
