package download_test

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/bundle"
	"otafleet/internal/ota"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, data, 0o644))
	return name
}

// packageFile packs data into a package file and describes it.
func packageFile(t *testing.T, data []byte) (path string, file ota.File) {
	t.Helper()
	dir := t.TempDir()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	path = filepath.Join(dir, "usb stick", "app.ota")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
	manifest, err := bundle.Create(path, bundle.Release{
		Manifest: ota.Manifest{Product: "gw-200", Component: "app", Type: ota.Module, Package: ota.Full, Target: "2",
			Release: 1},
		Files: []string{write(t, filepath.Join(dir, "app.bin"), data)}, Chunk: 4096, Keys: []ed25519.PrivateKey{key},
	})
	require.NoError(t, err)
	return path, manifest.Files[0]
}

func TestPackageFileFillsThePlace(t *testing.T) {
	t.Parallel()
	data := image(100_000, 1)
	path, file := packageFile(t, data)
	f, err := download.New(download.Config{})
	require.NoError(t, err)
	p := newPlace(t, file)
	p.content = append([]byte(nil), data[:8192]...) // from before a cut
	started, done := 0, int64(0)
	job := agent.FetchJob{Files: []ota.File{file}, Places: []firmware.Target{p}, Local: path,
		Started: func() { started++ }, Progress: func(n, total int64) {
			assert.GreaterOrEqual(t, n, done)
			assert.Equal(t, int64(len(data)), total)
			done = n
		}}
	assert.Equal(t, agent.FetchResult{}, f.Fetch(t.Context(), job))
	assert.Equal(t, data, p.content)
	assert.Equal(t, (len(data)+4095)/4096-2, p.writes, "what was there is kept")
	assert.Equal(t, 1, started)
	assert.Equal(t, int64(len(data)), done)

	// Again: nothing is read, nothing written.
	assert.Equal(t, agent.FetchResult{}, f.Fetch(t.Context(), job))
	assert.Equal(t, 1, started)
}

func TestPackageFileThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	data := image(20_000, 1)
	path, file := packageFile(t, data)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	at := func(name string, content []byte) string { return write(t, filepath.Join(t.TempDir(), name), content) }
	damaged := append([]byte(nil), whole...)
	damaged[len(damaged)-12_000] ^= 1
	other, _ := packageFile(t, image(30_000, 2))
	for name, row := range map[string]struct {
		path string
		code ota.Code
		says string
	}{
		"gone":          {filepath.Join(t.TempDir(), "none.ota"), ota.StorageUnavailable, "no such file"},
		"no package":    {at("x.ota", []byte("hello")), ota.StorageUnavailable, "it is not a package file"},
		"a directory":   {t.TempDir(), ota.StorageUnavailable, "is not a file"},
		"cut short":     {at("short.ota", whole[:len(whole)-15_000]), ota.StorageUnavailable, "cannot read app.bin"},
		"damaged":       {at("damaged.ota", damaged), ota.DigestMismatch, "is not the signed one"},
		"another image": {other, ota.ManifestMismatch, "holds no file app.bin of 20000 bytes any more"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := download.New(download.Config{})
			require.NoError(t, err)
			result := f.Fetch(t.Context(), agent.FetchJob{Files: []ota.File{file}, Places: []firmware.Target{newPlace(t, file)},
				Local: row.path})
			require.NotNil(t, result.Failure)
			assert.Equal(t, row.code, result.Failure.Code)
			assert.Contains(t, result.Failure.Detail, row.says)
			assert.Empty(t, result.Need, "no address could help")
		})
	}
}
