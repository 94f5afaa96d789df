//go:build !noarchive

package download_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"otafleet/agent/download"
	"otafleet/internal/ota"
)

// entry is one member of a test's archive.
type entry struct {
	name string
	mode fs.FileMode
	data string
	kind byte   // of tar; 0 by mode
	link string // of tar
}

var tree = []entry{
	{name: "./", mode: fs.ModeDir | 0o755},
	{name: "./bin/", mode: fs.ModeDir | 0o755},
	{name: "./bin/app", mode: 0o755, data: "program"},
	{name: "etc/app.conf", mode: 0o640, data: "setting"},
	{name: "empty", mode: 0o644},
}

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Size: int64(len(e.data)), Typeflag: e.kind, Linkname: e.link,
			Mode: int64(e.mode.Perm())}
		if e.mode&fs.ModeSetuid != 0 {
			header.Mode |= 0o4000
		}
		if e.mode&fs.ModeSetgid != 0 {
			header.Mode |= 0o2000
		}
		switch {
		case e.kind != 0:
		case e.mode.IsDir():
			header.Typeflag = tar.TypeDir
		default:
			header.Typeflag = tar.TypeReg
		}
		require.NoError(t, w.WriteHeader(header))
		_, err := io.WriteString(w, e.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(e.mode)
		f, err := w.CreateHeader(header)
		require.NoError(t, err)
		_, err = io.WriteString(f, e.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func compressed(t testing.TB, format string, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch format {
	case "gz":
		w = gzip.NewWriter(&out)
	case "zst":
		w, err = zstd.NewWriter(&out)
	case "xz":
		w, err = xz.NewWriter(&out)
	}
	require.NoError(t, err)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// kept reads the archive of tree that another program has made.
func kept(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

// unpack writes an archive to disk and unpacks it.
func unpack(t testing.TB, u download.Unpacker, name string, archive []byte) (dir string, err error) {
	t.Helper()
	root := t.TempDir()
	file := filepath.Join(root, "archive")
	require.NoError(t, os.WriteFile(file, archive, 0o600))
	dir = filepath.Join(root, "out")
	return dir, u.Unpack(t.Context(), file, name, dir)
}

func TestUnpackEveryFormat(t *testing.T) {
	t.Parallel()
	plain := tarOf(t, tree...)
	for name, archive := range map[string]func(t *testing.T) []byte{
		"a.tar":     func(*testing.T) []byte { return plain },
		"a.tar.gz":  func(t *testing.T) []byte { return compressed(t, "gz", plain) },
		"a.tgz":     func(t *testing.T) []byte { return compressed(t, "gz", plain) },
		"a.tar.zst": func(t *testing.T) []byte { return compressed(t, "zst", plain) },
		"a.tzst":    func(t *testing.T) []byte { return compressed(t, "zst", plain) },
		"a.tar.xz":  func(t *testing.T) []byte { return compressed(t, "xz", plain) },
		"a.txz":     func(t *testing.T) []byte { return compressed(t, "xz", plain) },
		"a.tar.bz2": func(t *testing.T) []byte { return kept(t, "tree.tar.bz2") },
		// Written by xz -T2, whose blocks give their lengths.
		"b.tar.xz": func(t *testing.T) []byte { return kept(t, "tree.tar.xz") },
		"a.zip":    func(t *testing.T) []byte { return zipOf(t, tree...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := unpack(t, download.Unpacker{MaxFiles: len(tree), MaxBytes: 14}, name, archive(t))
			require.NoError(t, err)
			for _, e := range tree {
				info, err := os.Lstat(filepath.Join(dir, e.name))
				require.NoError(t, err)
				assert.Equal(t, e.mode.IsDir(), info.IsDir())
				if e.mode.IsDir() {
					continue
				}
				text, err := os.ReadFile(filepath.Join(dir, e.name))
				require.NoError(t, err)
				assert.Equal(t, e.data, string(text))
				assert.Equal(t, e.mode.Perm(), info.Mode().Perm(), e.name)
			}
		})
	}
}

// hostile names what an archive may not hold.
var hostile = map[string][]entry{
	"climbing path":         {{name: "../evil", mode: 0o644}},
	"climbing in between":   {{name: "a/../../evil", mode: 0o644}},
	"dots that stay inside": {{name: "a/../b", mode: 0o644}},
	"absolute path":         {{name: "/etc/passwd", mode: 0o644}},
	"backslash":             {{name: `..\evil`, mode: 0o644}},
	"drive":                 {{name: "C:evil", mode: 0o644}},
	"control character":     {{name: "a\nb", mode: 0o644}},
	"set-user-id":           {{name: "su", mode: fs.ModeSetuid | 0o755}},
	"set-group-id":          {{name: "sg", mode: fs.ModeSetgid | 0o755}},
	"set-group-id dir":      {{name: "sg/", mode: fs.ModeDir | fs.ModeSetgid | 0o755}},
	"closed file":           {{name: "f", mode: 0o044}},
	"closed directory":      {{name: "d/", mode: fs.ModeDir | 0o077}},
	"the same file twice":   {{name: "f", mode: 0o644, data: "a"}, {name: "./f", mode: 0o644, data: "b"}},
	"file, then directory":  {{name: "f", mode: 0o644}, {name: "f/", mode: fs.ModeDir | 0o755}},
	"file as a directory":   {{name: "f", mode: 0o644}, {name: "f/g", mode: 0o644}},
	"too many files": {{name: "1", mode: 0o644}, {name: "2", mode: 0o644}, {name: "3", mode: 0o644},
		{name: "4", mode: 0o644}},
	"too many bytes": {{name: "1", mode: 0o644, data: strings.Repeat("x", 60)},
		{name: "2", mode: 0o644, data: strings.Repeat("x", 41)}},
}

var hostileTar = map[string][]entry{
	"link":            {{name: "l", kind: tar.TypeSymlink, link: "/etc/passwd", mode: 0o777}},
	"link, then file": {{name: "l", kind: tar.TypeSymlink, link: "/tmp", mode: 0o777}, {name: "l/f", mode: 0o644}},
	"hard link":       {{name: "l", kind: tar.TypeLink, link: "/etc/passwd", mode: 0o644}},
	"device":          {{name: "d", kind: tar.TypeBlock, mode: 0o644}},
	"terminal":        {{name: "d", kind: tar.TypeChar, mode: 0o644}},
	"pipe":            {{name: "p", kind: tar.TypeFifo, mode: 0o644}},
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	limits := download.Unpacker{MaxFiles: 3, MaxBytes: 100}
	refused := func(t *testing.T, name string, archive []byte) {
		t.Helper()
		dir, err := unpack(t, limits, name, archive)
		var failure *ota.Failure
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, ota.UnpackFailed, failure.Code)
		left, _ := os.ReadDir(dir)
		assert.Empty(t, left, "nothing is left")
		around, err := os.ReadDir(filepath.Dir(dir))
		require.NoError(t, err)
		assert.LessOrEqual(t, len(around), 2, "nothing is beside it")
	}
	for name, entries := range hostile {
		good := entry{name: "good", mode: 0o644}
		t.Run(name+" in tar", func(t *testing.T) { refused(t, "a.tar", tarOf(t, append([]entry{good}, entries...)...)) })
		t.Run(name+" in zip", func(t *testing.T) { refused(t, "a.zip", zipOf(t, append([]entry{good}, entries...)...)) })
	}
	for name, entries := range hostileTar {
		t.Run(name, func(t *testing.T) { refused(t, "a.tar", tarOf(t, entries...)) })
	}
	plain := tarOf(t, tree[2])
	for name, archive := range map[string][]byte{
		"a.tar": plain[:515], "a.tar.gz": compressed(t, "gz", plain)[:40], "a.tar.zst": []byte("no"),
		"a.tar.xz":  []byte("no"),
		"a.tar.bz2": []byte("no"), "a.zip": plain, "a.rar": plain, "tar": plain, "empty.tar": nil,
	} {
		t.Run("broken "+name, func(t *testing.T) { refused(t, name, archive) })
	}
	t.Run("link in zip", func(t *testing.T) {
		refused(t, "a.zip", zipOf(t, entry{name: "l", mode: fs.ModeSymlink | 0o777, data: "/etc/passwd"}))
	})
}

// TestUnpackBombs unpacks archives that are much larger inside than outside.
func TestUnpackBombs(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("\x00", 8<<20)
	u := download.Unpacker{MaxBytes: 1 << 20}
	_, err := unpack(t, u, "a.zip", zipOf(t, entry{name: "z", mode: 0o644, data: zeros}))
	assert.ErrorContains(t, err, "more than 1048576 bytes")
	_, err = unpack(t, u, "a.tar.gz", compressed(t, "gz", tarOf(t, entry{name: "z", mode: 0o644, data: zeros})))
	assert.ErrorContains(t, err, "more than 1048576 bytes")

	lying := zipOf(t, entry{name: "z", mode: 0o644, data: zeros})
	size := []byte{0, 0, 0x80, 0} // 8 MiB in the directory at the end
	at := bytes.LastIndex(lying, size)
	require.Positive(t, at)
	copy(lying[at:], []byte{1, 0, 0, 0})
	_, err = unpack(t, u, "a.zip", lying)
	assert.Error(t, err, "an entry that is larger than it says")

	hungry := compressed(t, "xz", tarOf(t, tree...))
	require.EqualValues(t, 0x21, hungry[14])
	hungry[16] = 40 // a dictionary of 4 GiB
	_, err = unpack(t, u, "a.tar.xz", hungry)
	assert.ErrorContains(t, err, "dictionary has 4294967295 bytes")

	var many []entry
	for i := range 1000 {
		many = append(many, entry{name: fmt.Sprint(i), mode: 0o644})
	}
	_, err = unpack(t, download.Unpacker{MaxFiles: 999}, "a.tar", tarOf(t, many...))
	assert.ErrorContains(t, err, "more than 999 entries")
	_, err = unpack(t, download.Unpacker{MaxFiles: 1000}, "a.tar", tarOf(t, many...))
	assert.NoError(t, err)
}

// TestUnpackNeedsAFile waits for no pipe in the archive's place.
func TestUnpackNeedsAFile(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, name := range []string{"a.tar", "a.zip", "a.tar.xz"} {
		for _, path := range []string{pipe, t.TempDir()} {
			assert.ErrorContains(t, download.Unpacker{}.Unpack(t.Context(), path, name, filepath.Join(t.TempDir(), "new")),
				"is not a file")
		}
	}
}

func TestUnpackNeedsAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	archive := write(t, filepath.Join(t.TempDir(), "a"), tarOf(t, tree...))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
	require.ErrorContains(t, download.Unpacker{}.Unpack(t.Context(), archive, "a.tar", dir), "not empty")
	assert.FileExists(t, filepath.Join(dir, "mine"))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Error(t, download.Unpacker{}.Unpack(ctx, archive, "a.tar", filepath.Join(dir, "new")))
}

// FuzzUnpack unpacks anything. Whatever it is, what comes out is files and
// directories within the limits, inside the directory.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, tree...), "a.tar")
	f.Add(zipOf(f, tree...), "a.zip")
	f.Add(tarOf(f, hostileTar["link, then file"]...), "a.tar")
	f.Add(compressed(f, "gz", tarOf(f, tree...)), "a.tgz")
	f.Add(compressed(f, "zst", tarOf(f, tree...)), "a.tar.zst")
	f.Add(compressed(f, "xz", tarOf(f, tree...)), "a.tar.xz")
	f.Add(xzFile(f, []byte{2}, tarOf(f, tree...), nil), "a.txz")
	f.Add(append(xzFile(f, []byte{2, 40}, tarOf(f, tree...), []byte("more")),
		xzFile(f, []byte{39}, []byte("and more"))...), "a.tar.xz")
	f.Fuzz(func(t *testing.T, archive []byte, name string) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		dir, err := unpack(t, download.Unpacker{MaxFiles: 20, MaxBytes: 1 << 16}, name, archive)
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<20), "memory for an archive of %d bytes", len(archive))
		around, _ := os.ReadDir(filepath.Dir(dir))
		assert.LessOrEqual(t, len(around), 2)
		var bytes int64
		if _, missing := os.Stat(dir); missing != nil {
			return
		}
		_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, walkErr error) error {
			require.NoError(t, walkErr)
			info, infoErr := d.Info()
			require.NoError(t, infoErr)
			assert.True(t, info.IsDir() || info.Mode().IsRegular(), name)
			if !info.IsDir() {
				bytes += info.Size()
			}
			assert.True(t, err == nil || name == dir, "left by a failure")
			return nil
		})
		assert.LessOrEqual(t, bytes, int64(1<<16))
	})
}
