package file_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

// TestRollbackOfAProgramOnTrial cuts the power at every change of Activate. From
// then on one rename brings the old program back, which is all that an init
// system does, and the old program finds out about it.
func TestRollbackOfAProgramOnTrial(t *testing.T) {
	for n := 1; ; n++ {
		breaker := &firmwaretest.Breaker{}
		a := newApp(t, func(c *file.Config) { c.Restart, c.Disk = firmware.RestartProcess, breaker.Disk() })
		way := a.Path + ".ota-trial"
		a.fetch(t)
		require.NoError(t, a.installer.Stage(t.Context(), a.job))
		assert.NoFileExists(t, way, "nothing is on trial yet")
		breaker.CutAt(n)
		_, err := a.installer.Activate(t.Context(), a.job)
		cut := breaker.WasCut()
		require.Equal(t, cut, err != nil)
		breaker.Restore()

		live, err := os.ReadFile(a.Path)
		require.NoError(t, err)
		if _, err := os.Stat(way); err == nil {
			require.NoError(t, os.Rename(way, a.Path))
		} else {
			require.Equal(t, "the old one", string(live), "the new program without a rollback from it, at change %d", n)
		}
		a.restart(t)
		assert.Equal(t, "1.0.0", a.version(t))
		_, err = a.installer.Activate(t.Context(), a.job)
		if bytes.Equal(live, a.content) {
			assert.Contains(t, firmwaretest.RequireCode(t, ota.BootFailed, err).Detail, "fell back to 1.0.0")
		} else {
			require.NoError(t, err)
		}
		a.revert(t)
		assert.Equal(t, "1.0.0", a.version(t))
		assert.NoFileExists(t, way)
		if !cut {
			return
		}
	}
}

func TestRollbackEndsWithTheTrial(t *testing.T) {
	a := newApp(t, func(c *file.Config) { c.Restart = firmware.RestartProcess })
	names := []string{a.Path + ".ota-trial", a.Path + ".ota-starts"}
	for range 2 {
		a.upgrade(t)
		assert.FileExists(t, names[0])
		require.NoError(t, os.WriteFile(names[1], []byte("\n"), 0o600)) // as the init system counts
		require.NoError(t, a.installer.Commit(t.Context(), a.job))
		for _, name := range names {
			assert.NoFileExists(t, name, "confirmed")
		}
		a.revert(t)
		a.upgrade(t)
		require.NoError(t, os.WriteFile(names[1], []byte("\n"), 0o600))
		a.revert(t)
		for _, name := range names {
			assert.NoFileExists(t, name, "rolled back")
		}
	}
	a.Restart = firmware.RestartNone
	a.restart(t)
	a.upgrade(t)
	assert.NoFileExists(t, names[0], "no init system starts what needs no restart of the agent")
}
