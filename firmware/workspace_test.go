package firmware_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

func TestWorkspaceKeepsBytesOfItsJob(t *testing.T) {
	w := firmware.Workspace{Dir: filepath.Join(t.TempDir(), "a", "state")}
	job := jobOf(firmwaretest.Plain("one", []byte("12345")), firmwaretest.Plain("two", []byte("67")))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")

	fill := func() {
		require.NoError(t, w.Begin(job, elsewhere))
		places, err := w.Targets(job, nil)
		require.NoError(t, err)
		require.Len(t, places, 2)
		for _, p := range places {
			_, err := p.WriteAt([]byte("12"), 0)
			require.NoError(t, err)
			require.NoError(t, p.Sync())
			require.NoError(t, p.Close())
		}
		require.NoError(t, os.WriteFile(elsewhere, nil, 0o600))
	}
	fill()
	require.NoError(t, w.Begin(job, elsewhere))
	assert.FileExists(t, w.Path("one"))
	assert.FileExists(t, elsewhere)

	withoutFiles := job
	withoutFiles.Files = nil
	other := jobOf(firmwaretest.Plain("one", []byte("other")))
	for _, c := range []struct {
		job  firmware.Job
		want bool
	}{{job, true}, {withoutFiles, true}, {other, false}, {firmware.Job{Target: "9"}, false}} {
		held, err := w.Holds(c.job)
		require.NoError(t, err)
		assert.Equal(t, c.want, held, "%+v", c.job)
	}

	require.NoError(t, w.Begin(other, elsewhere))
	assert.NoFileExists(t, w.Path("one"))
	assert.NoFileExists(t, elsewhere)

	fill()
	require.NoError(t, os.WriteFile(filepath.Join(w.Dir, "job.json"), []byte("{torn"), 0o600))
	require.NoError(t, w.Begin(job, elsewhere), "a damaged marker belongs to no job")
	assert.NoFileExists(t, w.Path("one"))

	fill()
	require.NoError(t, w.Drop())
	held, err := w.Holds(job)
	require.NoError(t, err)
	assert.False(t, held)
	assert.NoFileExists(t, w.Path("one"))
}

func TestPlaceIsBounded(t *testing.T) {
	full := false
	w := firmware.Workspace{Dir: t.TempDir(), Disk: firmware.Disk{Before: func(c firmware.Change) error {
		if full && c.Op == firmware.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	}}}
	job := jobOf(firmwaretest.Plain("one", []byte("12345")))
	require.NoError(t, w.Begin(job))
	places, err := w.Targets(job, nil)
	require.NoError(t, err)
	defer places[0].Close()
	_, err = places[0].WriteAt([]byte("345"), 2)
	require.NoError(t, err)
	for _, off := range []int64{-1, 3, 1 << 62} {
		_, err = places[0].WriteAt([]byte("345"), off)
		firmwaretest.RequireCode(t, ota.WriteFailed, err)
	}
	full = true
	_, err = places[0].WriteAt([]byte("1"), 0)
	firmwaretest.RequireCode(t, ota.SpaceLow, err)
}

func TestPlacesNeedTheirDirectory(t *testing.T) {
	w := firmware.Workspace{Dir: t.TempDir()}
	job := jobOf(firmwaretest.Plain("one", []byte("12345")))
	require.NoError(t, w.Begin(job))
	_, err := w.Targets(job, func(string) string { return filepath.Join(w.Dir, "no", "such", "place") })
	firmwaretest.RequireCode(t, ota.WriteFailed, err)
}

func TestWorkspaceImage(t *testing.T) {
	image := firmwaretest.Content("1.1.0", 3000)
	encoded, packed := firmwaretest.Zstd("app.zst", image)
	plain := firmwaretest.Plain("app", image)
	patch := firmwaretest.Plain("app.bsdiff", []byte("a patch"))
	patch.Encoding, patch.Output = ota.BSDiff, &ota.Output{Size: 10}
	w := firmware.Workspace{Dir: t.TempDir()}
	require.NoError(t, w.Begin(jobOf(encoded, plain, patch)))

	tests := []struct {
		file ota.File
		data []byte
		want []byte
	}{{encoded, packed, image}, {plain, image, image}, {patch, []byte("a patch"), []byte("a patch")}}
	for _, test := range tests {
		_, err := w.Image(t.Context(), &test.file)
		firmwaretest.RequireCode(t, ota.DigestMismatch, err)
		require.NoError(t, os.WriteFile(w.Path(test.file.Name), test.data, 0o600))
		for range 2 {
			path, err := w.Image(t.Context(), &test.file)
			require.NoError(t, err)
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.True(t, strings.HasPrefix(path, w.Dir))
		}
	}
	path, err := w.Image(t.Context(), &encoded)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("rotten"), 0o600))
	_, err = w.Image(t.Context(), &encoded)
	require.NoError(t, err, "a damaged image is decoded again")
}

func TestCheckSpace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "not", "yet", "file")
	free, err := firmware.FreeSpace(dir)
	require.NoError(t, err)
	require.Positive(t, free)

	require.NoError(t, firmware.CheckSpace([]firmware.Need{{Path: path, Size: 1}}))
	failure := firmwaretest.RequireCode(t, ota.SpaceLow, firmware.CheckSpace([]firmware.Need{{Path: path, Size: 1 << 50}}))
	assert.Regexp(t, `^needs 1\.0 PiB, [0-9.]+ [GTM]iB free at .*: [0-9.]+ [TP]iB too few$`, failure.Detail)
	half := free/2 + 1<<30
	firmwaretest.RequireCode(t, ota.SpaceLow,
		firmware.CheckSpace([]firmware.Need{{Path: path, Size: half}, {Path: path + "2", Size: half}}))

	there := filepath.Join(dir, "there")
	require.NoError(t, os.WriteFile(there, make([]byte, 1<<20), 0o600))
	require.NoError(t, firmware.CheckSpace([]firmware.Need{{Path: there, Size: 1 << 20}}), "what is there needs nothing")
	_, err = firmware.FreeSpace(filepath.Join(dir, "missing"))
	require.Error(t, err)
}
