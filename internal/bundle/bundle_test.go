package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

func key(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return public, private
}

func image(n int) []byte {
	r := rand.NewChaCha8([32]byte{7})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func release(t *testing.T, zstd bool, contents map[string][]byte, keys ...ed25519.PrivateKey) bundle.Release {
	t.Helper()
	dir := t.TempDir()
	r := bundle.Release{Zstd: zstd, Keys: keys, Chunk: 4096, Manifest: ota.Manifest{
		Product: "gw-200", Component: "app", Type: ota.Module, Package: ota.Full, Target: "1.1.0", Release: 3,
	}}
	for name, content := range contents {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		r.Files = append(r.Files, path)
	}
	return r
}

func TestRoundTrip(t *testing.T) {
	public, private := key(t)
	for _, compressed := range []bool{false, true} {
		content := append(image(10_000), bytes.Repeat([]byte("ota"), 40_000)...)
		path := filepath.Join(t.TempDir(), "app.ota")
		made, err := bundle.Create(path, release(t, compressed, map[string][]byte{"app.bin": content}, private))
		require.NoError(t, err)

		b, err := bundle.Open(path)
		require.NoError(t, err)
		defer b.Close()
		trusted, err := (&wire.Trust{Keys: []ed25519.PublicKey{public}}).Open(b.Envelope)
		require.NoError(t, err)
		assert.Equal(t, trusted, b.Manifest)
		assert.Equal(t, made.Files, b.Manifest.Files)
		assert.WithinDuration(t, time.Now(), b.Manifest.Created, time.Hour)

		transferred, err := io.ReadAll(b.File(0))
		require.NoError(t, err)
		assert.EqualValues(t, len(transferred), b.Manifest.Files[0].Size)
		assert.Equal(t, ota.Digest(sha256.Sum256(transferred)), b.Manifest.Files[0].SHA256)
		if compressed {
			z, err := zstd.NewReader(bytes.NewReader(transferred))
			require.NoError(t, err)
			defer z.Close()
			transferred, err = io.ReadAll(z)
			require.NoError(t, err)
		}
		assert.Equal(t, content, transferred)
		assert.Equal(t, ota.Digest(sha256.Sum256(content)), b.Manifest.Files[0].Image().SHA256)
	}
}

func TestDescribeChunks(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 12288} {
		content := image(size)
		f, err := bundle.Describe("x", bytes.NewReader(content), 4096)
		require.NoError(t, err)
		assert.EqualValues(t, size, f.Size)
		require.Len(t, f.Chunks, (size+4095)/4096)
		for i := range f.Chunks {
			at, n := f.ChunkAt(i)
			assert.Equal(t, ota.Digest(sha256.Sum256(content[at:at+n])), f.Chunks[i])
		}
	}
}

func TestRefusals(t *testing.T) {
	_, private := key(t)
	good := release(t, false, map[string][]byte{"app.bin": image(100)}, private)
	for name, tc := range map[string]struct {
		change func(*bundle.Release)
		want   string
	}{
		"no file":       {func(r *bundle.Release) { r.Files = nil }, "1 to 5"},
		"missing file":  {func(r *bundle.Release) { r.Files = []string{"/nowhere"} }, "no such file"},
		"chunk":         {func(r *bundle.Release) { r.Chunk = 7 }, "chunks of 7 bytes"},
		"target":        {func(r *bundle.Release) { r.Manifest.Target = "" }, "target"},
		"delta, source": {func(r *bundle.Release) { r.Manifest.Package = ota.Delta }, "source"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			tc.change(&r)
			path := filepath.Join(t.TempDir(), "app.ota")
			_, err := bundle.Create(path, r)
			require.ErrorContains(t, err, tc.want)
			assert.NoFileExists(t, path)
			left, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	source := filepath.Join(dir, "app.bin")
	require.NoError(f, os.WriteFile(source, image(3000), 0o600))
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(f, err)
	path := filepath.Join(dir, "app.ota")
	_, err = bundle.Create(path, bundle.Release{Files: []string{source}, Chunk: 1024, Keys: []ed25519.PrivateKey{private},
		Manifest: ota.Manifest{Product: "p", Component: "c", Type: ota.Module, Package: ota.Full, Target: "2"}})
	require.NoError(f, err)
	seed, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(seed)
	f.Add(seed[:700])
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.ota")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		b, err := bundle.Open(path)
		if err != nil {
			return
		}
		defer b.Close()
		for i, file := range b.Manifest.Files {
			assert.EqualValues(t, file.Size, b.File(i).Size())
		}
	})
}
