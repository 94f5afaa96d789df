package firmware_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

func jobOf(files ...ota.File) firmware.Job {
	return firmware.Job{Component: "app", Source: "1.0.0", Target: "1.1.0", Files: files}
}

func TestJobValidate(t *testing.T) {
	plain := func(change func(*ota.File)) ota.File {
		f := firmwaretest.Plain("app.bin", []byte("content"))
		if change != nil {
			change(&f)
		}
		return f
	}
	tests := map[string]struct {
		files []ota.File
		want  string // part of the refusal; empty if there is none
	}{
		"one file": {[]ota.File{plain(nil)}, ""},
		"patch": {
			[]ota.File{plain(func(f *ota.File) { f.Encoding = ota.BSDiff; f.Output = &ota.Output{Size: 9} })}, "",
		},
		"no file":         {nil, "1 to 5 files"},
		"six files":       {make([]ota.File, 6), "1 to 5 files"},
		"same name twice": {[]ota.File{plain(nil), plain(nil)}, "two files are named app.bin"},
		"way out":         {[]ota.File{plain(func(f *ota.File) { f.Name = "../app" })}, `"../app" is not a file name`},
		"parent":          {[]ota.File{plain(func(f *ota.File) { f.Name = ".." })}, "not a file name"},
		"negative size":   {[]ota.File{plain(func(f *ota.File) { f.Size = -1 })}, "no valid size"},
		"huge output": {
			[]ota.File{plain(func(f *ota.File) { f.Encoding = ota.Zstd; f.Output = &ota.Output{Size: 1 << 50} })},
			"no valid size",
		},
		"zstd, no output": {[]ota.File{plain(func(f *ota.File) { f.Encoding = ota.Zstd })}, "no output"},
		"plain, output":   {[]ota.File{plain(func(f *ota.File) { f.Output = &ota.Output{Size: 1} })}, "output of its own"},
		"other encoding":  {[]ota.File{plain(func(f *ota.File) { f.Encoding = "lzma" })}, `unknown encoding "lzma"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := jobOf(test.files...).Validate()
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			failure := firmwaretest.RequireCode(t, ota.ManifestMismatch, err)
			assert.Contains(t, failure.Detail, test.want)
		})
	}
}

func TestJobID(t *testing.T) {
	job := jobOf(firmwaretest.Plain("app.bin", []byte("content")))
	same := jobOf(firmwaretest.Plain("app.bin", []byte("content")))
	same.Source = "0.9.0"
	assert.Equal(t, job.ID(), same.ID(), "the source does not change the bytes")
	others := []firmware.Job{
		jobOf(),
		jobOf(firmwaretest.Plain("app.bin", []byte("other"))),
		jobOf(firmwaretest.Plain("app2.bin", []byte("content"))),
		{Component: "app", Target: "1.2.0", Files: job.Files},
		{Component: "motor", Target: "1.1.0", Files: job.Files},
	}
	for _, other := range others {
		assert.NotEqual(t, job.ID(), other.ID(), "%+v", other)
	}
	assert.Len(t, job.ID(), 64)
}

func TestJobLimits(t *testing.T) {
	file, _ := firmwaretest.Zstd("app.zst", []byte(strings.Repeat("a", 1000)))
	job := jobOf(file)
	require.NoError(t, job.CheckCapacity(0))
	require.NoError(t, job.CheckCapacity(1000))
	firmwaretest.RequireCode(t, ota.TooLarge, job.CheckCapacity(999))

	require.NoError(t, job.RefuseDeltas())
	job.Files[0].Encoding = ota.BSDiff
	failure := firmwaretest.RequireCode(t, ota.DeltaFailed, job.RefuseDeltas())
	assert.Contains(t, failure.Detail, "encoding bsdiff is not supported by this installer")
}
