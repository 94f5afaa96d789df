package firmware_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

type noted struct {
	Version string `json:"version"`
	Step    int    `json:"step"`
}

func newRecord(t *testing.T) (firmware.Record[noted], *bytes.Buffer) {
	var log bytes.Buffer
	return firmware.Record[noted]{
		Path: filepath.Join(t.TempDir(), "state", "record.json"),
		Check: func(n *noted) error {
			if n.Step < 0 {
				return errors.New("the step is negative")
			}
			return nil
		},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, &log
}

func TestRecord(t *testing.T) {
	r, log := newRecord(t)
	found, err := r.Load()
	require.NoError(t, err)
	assert.Nil(t, found, "nothing was saved")

	require.NoError(t, r.Save(&noted{"1.0.0", 2}))
	found, err = r.Load()
	require.NoError(t, err)
	assert.Equal(t, &noted{"1.0.0", 2}, found)
	assert.Empty(t, log.String())
}

// Whatever is in the place of a record, it counts as one that knows nothing, with a
// warning, and the next Save replaces it.
func TestDamagedRecord(t *testing.T) {
	text := func(s string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
	}
	for name, damage := range map[string]func(path string) error{
		"empty":            text(""),
		"no JSON":          text("{]"),
		"another form":     text(`{"version":"1.0.0","step":"two"}`),
		"refused by Check": text(`{"version":"1.0.0","step":-1}`),
		"too long":         text(`{"version":"` + strings.Repeat("x", 64<<10) + `"}`),
		"a directory":      func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
		"a pipe":           func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a link round":     func(path string) error { return os.Symlink(path, path) },
	} {
		t.Run(name, func(t *testing.T) {
			r, log := newRecord(t)
			require.NoError(t, os.MkdirAll(filepath.Dir(r.Path), 0o700))
			require.NoError(t, damage(r.Path))
			found, err := r.Load()
			require.NoError(t, err)
			assert.Equal(t, &noted{}, found)
			assert.Contains(t, log.String(), "record is damaged")
			assert.Contains(t, log.String(), r.Path)

			require.NoError(t, r.Save(&noted{"1.0.0", 2}))
			found, err = r.Load()
			require.NoError(t, err)
			assert.Equal(t, &noted{"1.0.0", 2}, found)
		})
	}
}

func TestRecordOnAFullDisk(t *testing.T) {
	r, _ := newRecord(t)
	r.Disk.Before = func(firmware.Change) error { return unix.ENOSPC }
	var failure *ota.Failure
	require.ErrorAs(t, r.Save(&noted{"1.0.0", 2}), &failure)
	assert.Equal(t, ota.SpaceLow, failure.Code)
}
