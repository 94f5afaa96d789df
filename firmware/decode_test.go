package firmware_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

// base is a device that holds an image and more behind it.
func base(t *testing.T, image []byte) *firmware.Base {
	path := filepath.Join(t.TempDir(), "base")
	require.NoError(t, os.WriteFile(path, append(bytes.Clone(image), make([]byte, 5000)...), 0o600))
	b, err := firmware.OpenBase(path)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() }) // which may be done already
	return b
}

func TestPatch(t *testing.T) {
	old := firmwaretest.Content("1.0.0", 50<<10)
	image := append(firmwaretest.Content("1.1.0", 250<<10), old...)
	file, patch := firmwaretest.BSDiff("app.bsdiff", old, image)
	change := func(change func(*ota.File)) ota.File {
		f := file
		output := *f.Output
		f.Output = &output
		change(&f)
		return f
	}
	noPatch := firmwaretest.Plain("app.bsdiff", []byte("BSDIFF40, and that is all of it"))
	noPatch.Encoding, noPatch.Output = ota.BSDiff, file.Output
	zstdFile, packed := firmwaretest.Zstd("app.zst", image)
	tests := map[string]struct {
		file ota.File
		src  []byte
		base []byte
		code ota.Code // empty for success
	}{
		"fits":              {file, patch, old, ""},
		"of another image":  {file, patch, image, ota.DeltaFailed},
		"of a shorter one":  {file, patch, old[:100], ota.DeltaFailed},
		"changed bytes":     {file, flipped(patch, len(patch)/2), old, ota.DigestMismatch},
		"missing bytes":     {file, patch[:1000], old, ota.DigestMismatch},
		"no patch":          {noPatch, []byte("BSDIFF40, and that is all of it"), old, ota.DeltaFailed},
		"larger than said":  {change(func(f *ota.File) { f.Output.Size-- }), patch, old, ota.DeltaFailed},
		"smaller than said": {change(func(f *ota.File) { f.Output.Size++ }), patch, old, ota.DeltaFailed},
		"another digest":    {change(func(f *ota.File) { f.Output.SHA256[0] ^= 1 }), patch, old, ota.DeltaFailed},
		"no patch but zstd": {zstdFile, packed, old, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := firmware.Patch(t.Context(), &test.file, base(t, test.base), bytes.NewReader(test.src), &out)
			assert.LessOrEqual(t, int64(out.Len()), test.file.Image().Size, "more was written than the manifest says")
			if test.code != "" {
				firmwaretest.RequireCode(t, test.code, err)
				return
			}
			require.NoError(t, err)
			assert.True(t, bytes.Equal(image, out.Bytes()))
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, firmware.Patch(ended, &file, base(t, old), bytes.NewReader(patch), io.Discard), context.Canceled)
}

func TestCheckBase(t *testing.T) {
	old := firmwaretest.Content("1.0.0", 50<<10)
	file, _ := firmwaretest.BSDiff("app.bsdiff", old, []byte("new"))
	plain := firmwaretest.Plain("app", []byte("new"))
	check := func(image []byte, files ...ota.File) error {
		open := func(context.Context) (*firmware.Base, error) { return base(t, image), nil }
		return jobOf(files...).CheckBase(t.Context(), open)
	}
	require.NoError(t, check(old, plain, file))
	for name, image := range map[string][]byte{"changed": flipped(old, 40_000), "too short": old[:30_000]} {
		assert.Contains(t, firmwaretest.RequireCode(t, ota.DeltaFailed, check(image, plain, file)).Detail,
			"app.bsdiff does not start from what runs", name)
	}
	unsaid := file
	unsaid.Base = nil
	require.NoError(t, check(flipped(old, 40_000), unsaid), "only the result tells")
	require.NoError(t, jobOf(plain).CheckBase(t.Context(), nil), "a job without patches opens nothing")
	_, err := firmware.OpenBase(filepath.Join(t.TempDir(), "none"))
	firmwaretest.RequireCode(t, ota.DeltaFailed, err)
}

// described is a file of the transferred bytes, which are the image in zstd.
func described(transferred, image []byte) ota.File {
	f := firmwaretest.Plain("app.zst", transferred)
	f.Encoding, f.Output = ota.Zstd, &ota.Output{Size: int64(len(image)), SHA256: sha256.Sum256(image)}
	return f
}

func TestDecode(t *testing.T) {
	image := firmwaretest.Content("1.1.0", 300<<10)
	zstdFile, packed := firmwaretest.Zstd("app.zst", image)
	bomb, bombBytes := firmwaretest.Zstd("bomb.zst", make([]byte, 64<<20))
	bomb.Output.Size = 1 << 10
	short := zstdFile
	short.Output = &ota.Output{Size: int64(len(image)) + 1, SHA256: zstdFile.Output.SHA256}
	other := zstdFile
	other.Output = &ota.Output{Size: int64(len(image)), SHA256: sha256.Sum256(nil)}
	trailing := append(bytes.Clone(packed), "not a frame"...)
	twoFrames := append(bytes.Clone(packed), packed...)
	patch := firmwaretest.Plain("app.bsdiff", image)
	patch.Encoding = ota.BSDiff
	tests := map[string]struct {
		file ota.File
		src  []byte
		code ota.Code // empty for success
	}{
		"plain":               {firmwaretest.Plain("app", image), image, ""},
		"zstd":                {zstdFile, packed, ""},
		"two frames":          {described(twoFrames, append(bytes.Clone(image), image...)), twoFrames, ""},
		"empty":               {described(nil, nil), nil, ""},
		"bomb":                {bomb, bombBytes, ota.UnpackFailed},
		"shorter than said":   {short, packed, ota.UnpackFailed},
		"another image":       {other, packed, ota.UnpackFailed},
		"bytes after a frame": {described(trailing, image), trailing, ota.UnpackFailed},
		"cut frame":           {described(packed[:1000], image), packed[:1000], ota.UnpackFailed},
		"no frame":            {described(image, image), image, ota.UnpackFailed},
		"huge window":         {described(hugeWindow(t), make([]byte, 20<<20)), hugeWindow(t), ota.UnpackFailed},
		"missing bytes":       {zstdFile, packed[:1000], ota.DigestMismatch},
		"changed bytes":       {zstdFile, flipped(packed, len(packed)/2), ota.DigestMismatch},
		"plain, changed":      {firmwaretest.Plain("app", image), flipped(image, 7), ota.DigestMismatch},
		"patch":               {patch, image, ota.DeltaFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := firmware.Decode(t.Context(), &test.file, bytes.NewReader(test.src), &out)
			assert.LessOrEqual(t, int64(out.Len()), test.file.Image().Size, "more was written than the manifest says")
			if test.code != "" {
				firmwaretest.RequireCode(t, test.code, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.file.Image().SHA256, ota.Digest(sha256.Sum256(out.Bytes())))
		})
	}
}

// hugeWindow is a frame that asks for a window of 16 MiB.
func hugeWindow(t *testing.T) []byte {
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithWindowSize(16<<20), zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 20<<20))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

func TestWindowIsSaid(t *testing.T) {
	frame := hugeWindow(t)
	file := described(frame, make([]byte, 20<<20))
	err := firmware.Decode(t.Context(), &file, bytes.NewReader(frame), io.Discard)
	assert.Equal(t, "cannot decode "+file.Name+": it needs a zstd window above 8 MiB",
		firmwaretest.RequireCode(t, ota.UnpackFailed, err).Detail)
}

func flipped(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 0x40
	return data
}

func TestDecodeStops(t *testing.T) {
	file, packed := firmwaretest.Zstd("app.zst", firmwaretest.Content("1.1.0", 10<<10))
	t.Run("when its context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := firmware.Decode(ctx, &file, bytes.NewReader(packed), io.Discard)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("when the disk is full", func(t *testing.T) {
		err := firmware.Decode(t.Context(), &file, bytes.NewReader(packed), failing{syscall.ENOSPC})
		firmwaretest.RequireCode(t, ota.SpaceLow, err)
	})
	t.Run("when the disk fails", func(t *testing.T) {
		err := firmware.Decode(t.Context(), &file, bytes.NewReader(packed), failing{errors.New("i/o error")})
		firmwaretest.RequireCode(t, ota.WriteFailed, err)
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestDecodeFile(t *testing.T) {
	image := firmwaretest.Content("1.1.0", 10<<10)
	file, packed := firmwaretest.Zstd("app.zst", image)
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")

	_, err := firmware.Disk{}.DecodeFile(t.Context(), &file, from, to)
	firmwaretest.RequireCode(t, ota.DigestMismatch, err)
	require.NoError(t, os.WriteFile(from, packed, 0o600))
	require.NoError(t, os.WriteFile(to, make([]byte, 1<<20), 0o600))
	f, err := firmware.Disk{}.DecodeFile(t.Context(), &file, from, to)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	got, err := os.ReadFile(to)
	require.NoError(t, err)
	assert.Equal(t, image, got)
}

func TestVerifyFile(t *testing.T) {
	content := firmwaretest.Content("1.1.0", 10<<10)
	file := firmwaretest.Plain("app", content)
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	verify := func(path string) error {
		return firmware.VerifyFile(t.Context(), file.Name, path, file.Image())
	}
	firmwaretest.RequireCode(t, ota.DigestMismatch, verify(path))
	require.NoError(t, os.WriteFile(path, content, 0o600))
	require.NoError(t, verify(path))
	require.NoError(t, os.Symlink(path, filepath.Join(dir, "link")))
	require.ErrorIs(t, verify(filepath.Join(dir, "link")), syscall.ELOOP)
	require.NoError(t, os.WriteFile(path, append(content, 0), 0o600))
	firmwaretest.RequireCode(t, ota.DigestMismatch, verify(path))
}

func FuzzDecode(f *testing.F) {
	_, packed := firmwaretest.Zstd("app.zst", firmwaretest.Content("1.1.0", 1<<10))
	f.Add(packed, int64(1<<10))
	f.Add(packed[:10], int64(0))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd}, int64(5))
	f.Fuzz(func(t *testing.T, src []byte, size int64) {
		size = max(0, size%(1<<20))
		file := firmwaretest.Plain("app.zst", src)
		file.Encoding, file.Output = ota.Zstd, &ota.Output{Size: size}
		var out bytes.Buffer
		err := firmware.Decode(context.Background(), &file, bytes.NewReader(src), &out)
		if int64(out.Len()) > size {
			t.Fatalf("%d bytes of at most %d", out.Len(), size)
		}
		var failure *ota.Failure
		if err != nil && !errors.As(err, &failure) {
			t.Fatalf("no code: %v", err)
		}
	})
}
