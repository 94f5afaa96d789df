package platform_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform"
)

// TestDamagedState puts something else in the place of each file of a state
// directory. The platform says what is wrong, and what can be done, or goes on; it
// loses no package.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	kept := t.TempDir()
	s, stop := live(t, kept)
	id, err := s.Upload(t.Context(), bytes.NewReader(packageFile(t)), platform.Label{}, nil)
	require.NoError(t, err)
	stop()
	pkg := "packages/" + id + ".ota"
	another := t.TempDir()
	_, stop = live(t, another)
	stop()
	newer := packageOf(t, "1.2.0")

	const db, anew = "platform.db", "begin anew with another --state"
	half := func(b []byte) []byte { return b[:len(b)/2] }
	for name, test := range map[string]struct {
		file string
		put  func(t *testing.T, path string, content []byte)
		says []string // nil where it goes on
	}{
		"state cut off":        {db, write(half), []string{db, "damaged", anew}},
		"state cut to nothing": {db, write(func([]byte) []byte { return nil }), []string{db, "is missing or empty", anew}},
		"state gone":           {db, remove, []string{db, "is missing or empty", anew}},
		"state zeroed": {db, write(func(b []byte) []byte { return make([]byte, len(b)) }),
			[]string{db, "damaged", anew}},
		"state is a package":     {db, write(func([]byte) []byte { return newer }), []string{db, "damaged", anew}},
		"state is another one":   {db, write(func([]byte) []byte { return read(t, filepath.Join(another, db)) }), nil},
		"state is a directory":   {db, directory, []string{db, "damaged", "is not a file", anew}},
		"state is a pipe":        {db, pipe, []string{db, "damaged", "is not a file", anew}},
		"state is a link":        {db, link, nil},
		"state is longer":        {db, write(func(b []byte) []byte { return append(b, make([]byte, 1<<20)...) }), nil},
		"package cut off":        {pkg, write(half), []string{pkg, "put its file back"}},
		"package cut to nothing": {pkg, write(func([]byte) []byte { return nil }), []string{pkg, "put its file back"}},
		"package gone":           {pkg, remove, []string{pkg, "put its file back"}},
		"package zeroed": {pkg, write(func(b []byte) []byte { return make([]byte, len(b)) }),
			[]string{pkg, "put its file back"}},
		"package's last byte": {pkg, write(flipped), []string{pkg, "is not the one that its manifest describes",
			"put its file back"}},
		"package is another": {pkg, write(func([]byte) []byte { return newer }),
			[]string{pkg, "another package", "put its file back"}},
		"package is a directory": {pkg, directory, []string{pkg, "is not a file", "put its file back"}},
		"package is a pipe":      {pkg, pipe, []string{pkg, "is not a file", "put its file back"}},
		"package is a link":      {pkg, link, nil},
		"packages are a file": {"packages", write(func([]byte) []byte { return nil }),
			[]string{"packages", "not a directory"}},
		"packages are gone":       {"packages", remove, []string{pkg, "put its file back"}},
		"a directory beside them": {"packages/more", directory, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "state")
			require.NoError(t, os.CopyFS(dir, os.DirFS(kept)))
			content, err := os.ReadFile(filepath.Join(dir, test.file))
			if err != nil {
				content = nil
			}
			require.NoError(t, os.RemoveAll(filepath.Join(dir, test.file)))
			test.put(t, filepath.Join(dir, test.file), content)

			s, err := platform.New(platform.Config{State: dir})
			if err == nil {
				require.NoError(t, s.Close())
			}
			for _, text := range test.says {
				assert.ErrorContains(t, err, text)
			}
			if test.says == nil {
				require.NoError(t, err)
			}
			if test.file == db || test.says == nil {
				assert.FileExists(t, filepath.Join(dir, pkg), "it is not the platform's to throw away")
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// write puts what change makes of a file in its place.
func write(change func([]byte) []byte) func(*testing.T, string, []byte) {
	return func(t *testing.T, path string, content []byte) {
		require.NoError(t, os.WriteFile(path, change(content), 0o600))
	}
}

// flipped changes the last byte of the image that a package of packageFile ends
// with, before the end of the archive.
func flipped(b []byte) []byte {
	at := bytes.LastIndexByte(bytes.TrimRight(b, "\x00"), b[len(bytes.TrimRight(b, "\x00"))-1])
	b[at] ^= 1
	return b
}

func remove(*testing.T, string, []byte) {}

func directory(t *testing.T, path string, _ []byte) {
	require.NoError(t, os.MkdirAll(path+"/in it", 0o700))
}

func pipe(t *testing.T, path string, _ []byte) { require.NoError(t, syscall.Mkfifo(path, 0o600)) }

// link leads to the file itself, elsewhere.
func link(t *testing.T, path string, content []byte) {
	elsewhere := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(elsewhere, content, 0o600))
	require.NoError(t, os.Symlink(elsewhere, path))
}
