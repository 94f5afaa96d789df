//go:build !noarchive

package download_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, data, 0o644))
	return name
}

func TestLocalBringsAFile(t *testing.T) {
	t.Parallel()
	data := image(100_000, 1)
	// Parts of the path that go-getter would read as something else.
	source := write(t, filepath.Join(t.TempDir(), "usb stick?checksum=md5:0", "a%20b#c", "fw.tar.gz"), data)
	dir := filepath.Join(t.TempDir(), "in", "box")
	write(t, filepath.Join(dir, "fw.tar.gz"), image(200_000, 2)) // an older, longer one

	copied, err := new(download.Local).Bring(t.Context(), source, dir)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "fw.tar.gz"), copied)
	info, err := os.Lstat(copied)
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular(), "a copy, not a link")

	file, err := os.OpenFile(copied, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	missing, err := download.Verify(t.Context(), []ota.File{describe("fw.tar.gz", data, 4096)}, []firmware.Place{file})
	require.NoError(t, err)
	assert.Zero(t, missing)
	original, err := os.ReadFile(source)
	require.NoError(t, err)
	assert.Equal(t, data, original)
}

func TestLocalRefuses(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	file := write(t, filepath.Join(root, "src", "fw.bin"), make([]byte, 100))
	require.NoError(t, os.Symlink(file, filepath.Join(root, "src", "link.bin")))
	for name, row := range map[string]struct {
		source string
		most   int64
		code   ota.Code
	}{
		"too large":    {file, 99, ota.TooLarge},
		"missing":      {filepath.Join(root, "src", "none.bin"), 0, ota.StorageUnavailable},
		"directory":    {filepath.Join(root, "src"), 0, ota.StorageUnavailable},
		"link":         {filepath.Join(root, "src", "link.bin"), 0, ota.StorageUnavailable},
		"device":       {"/dev/null", 0, ota.StorageUnavailable},
		"odd name":     {write(t, filepath.Join(root, "src", "f w.bin"), nil), 0, ota.StorageUnavailable},
		"web address":  {"https://example.com/fw.bin", 0, ota.StorageUnavailable},
		"git address":  {"git::https://example.com/fw.git", 0, ota.StorageUnavailable},
		"its own home": {write(t, filepath.Join(root, "out", "own.bin"), []byte("x")), 0, ota.StorageUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&download.Local{MaxBytes: row.most}).Bring(t.Context(), row.source, filepath.Join(root, "out"))
			var failure *ota.Failure
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, row.code, failure.Code, "%v", err)
		})
	}
	kept, err := os.ReadFile(filepath.Join(root, "out", "own.bin"))
	require.NoError(t, err)
	assert.Equal(t, "x", string(kept), "a file is never replaced by itself")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = new(download.Local).Bring(ctx, file, filepath.Join(root, "out"))
	assert.Error(t, err)
	assert.NoFileExists(t, filepath.Join(root, "out", "fw.bin"))
}
