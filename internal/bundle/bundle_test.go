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

	"otafleet/internal/bsdiff"
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

func TestPatches(t *testing.T) {
	_, private := key(t)
	dir := t.TempDir()
	old, new := image(20_000), append(image(15_000), "something new"...)
	from, to, out := filepath.Join(dir, "old"), filepath.Join(dir, "app.bin"), filepath.Join(dir, "app.ota")
	require.NoError(t, os.WriteFile(from, old, 0o600))
	require.NoError(t, os.WriteFile(to, new, 0o600))
	r := bundle.Release{Files: []string{to}, From: []string{from}, Keys: []ed25519.PrivateKey{private},
		Manifest: ota.Manifest{
			Product: "gw-200", Component: "app", Type: ota.Module, Package: ota.Delta, Source: "1.0.0", Target: "1.1.0",
			Release: 3,
		}}
	made, err := bundle.Create(out, r)
	require.NoError(t, err)
	f := made.Files[0]
	assert.Equal(t, "app.bin", f.Name)
	assert.Equal(t, ota.BSDiff, f.Encoding)
	assert.Equal(t, &ota.Output{Size: int64(len(new)), SHA256: sha256.Sum256(new)}, f.Output)
	assert.Equal(t, &ota.Output{Size: int64(len(old)), SHA256: sha256.Sum256(old)}, f.Base)
	b, err := bundle.Open(out)
	require.NoError(t, err)
	defer b.Close()
	patch, err := bsdiff.NewReader(bytes.NewReader(old), b.File(0), f.Size)
	require.NoError(t, err)
	got, err := io.ReadAll(patch)
	require.NoError(t, err)
	assert.Equal(t, new, got)

	given := filepath.Join(dir, "given.patch")
	bytesOf, err := io.ReadAll(b.File(0))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(given, bytesOf, 0o600))
	r.Patches = []string{given}
	again, err := bundle.Create(out, r)
	require.NoError(t, err)
	assert.Equal(t, made.Files, again.Files, "a given patch is packed as it is")
	r.Patches = nil

	for want, change := range map[string]func(*bundle.Release){
		"which does not lead from": func(r *bundle.Release) {
			r.Patches, r.From = []string{given}, []string{given}
		},
		"give one for each of":                 func(r *bundle.Release) { r.Patches = []string{given, given} },
		"each needs the one that runs before":  func(r *bundle.Release) { r.From = []string{from, from} },
		"MiB of memory, and 0 MiB are allowed": func(r *bundle.Release) { r.Memory = 1000 },
		"cannot read the file to pack":         func(r *bundle.Release) { r.From = []string{from + ".none"} },
		"encoding: must not be bsdiff in a full pac": func(r *bundle.Release) {
			r.Manifest.Package, r.Manifest.Source = ota.Full, ""
		},
	} {
		bad := r
		change(&bad)
		_, err := bundle.Create(out, bad)
		require.ErrorContains(t, err, want)
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
