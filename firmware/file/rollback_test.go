package file_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

// rollBack rolls back what is on trial, as an agent does that cannot start.
func (a *app) rollBack(t *testing.T) []string {
	t.Helper()
	taken, err := file.RollBack(t.Context(), filepath.Dir(a.StateDir), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return taken
}

// TestRollBackAtAnyMoment cuts the power at every change of Activate. What is live
// then can be rolled back, and the installer finds that out.
func TestRollBackAtAnyMoment(t *testing.T) {
	for _, scope := range []firmware.Restart{firmware.RestartProcess, firmware.RestartSystem} {
		for n := 1; ; n++ {
			breaker := &firmwaretest.Breaker{}
			a := newApp(t, func(c *file.Config) { c.Restart, c.Disk = scope, breaker.Disk() })
			a.fetch(t)
			require.NoError(t, a.installer.Stage(t.Context(), a.job))
			breaker.CutAt(n)
			_, err := a.installer.Activate(t.Context(), a.job)
			cut := breaker.WasCut()
			require.Equal(t, cut, err != nil)
			breaker.Restore()

			live, err := os.ReadFile(a.Path)
			require.NoError(t, err)
			switched := string(live) != "the old one"
			assert.Equal(t, switched, len(a.rollBack(t)) == 1, "at change %d", n)
			live, err = os.ReadFile(a.Path)
			require.NoError(t, err)
			assert.Equal(t, "the old one", string(live))
			assert.Empty(t, a.rollBack(t), "it is back already")
			a.restart(t)
			assert.Equal(t, "1.0.0", a.version(t))
			if _, err := a.installer.Activate(t.Context(), a.job); err != nil { // after a cut the image may still wait
				require.True(t, switched)
				assert.Contains(t, firmwaretest.RequireCode(t, ota.BootFailed, err).Detail, "fell back to 1.0.0")
			}
			a.revert(t)
			assert.Equal(t, "1.0.0", a.version(t))
			assert.Empty(t, a.rollBack(t))
			if !cut {
				break
			}
		}
	}
}

func TestWhatIsRolledBack(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*file.Config)
		then   func(*testing.T, *app)
		live   string // content after it
		taken  bool
	}{
		"on trial": {nil, func(*testing.T, *app) {}, "the old one", true},
		"with the system": {func(c *file.Config) { c.Restart = firmware.RestartSystem }, func(*testing.T, *app) {},
			"the old one", true},
		"no restart": {func(c *file.Config) { c.Restart = firmware.RestartNone }, func(*testing.T, *app) {}, "", false},
		"confirmed": {nil, func(t *testing.T, a *app) {
			require.NoError(t, a.installer.Commit(t.Context(), a.job))
		}, "", false},
		"rolled back": {nil, func(t *testing.T, a *app) { a.revert(t) }, "the old one", false},
		"mended by hand": {nil, func(t *testing.T, a *app) {
			require.NoError(t, os.WriteFile(a.Path, []byte("mended"), 0o600))
		}, "mended", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, func(c *file.Config) {
				c.Restart = firmware.RestartProcess
				if test.change != nil {
					test.change(c)
				}
			})
			a.upgrade(t)
			test.then(t, a)
			want := test.live
			if want == "" {
				want = string(a.content)
			}
			assert.Equal(t, test.taken, len(a.rollBack(t)) == 1)
			live, err := os.ReadFile(a.Path)
			require.NoError(t, err)
			assert.Equal(t, want, string(live))
		})
	}
	taken, err := file.RollBack(t.Context(), filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	assert.Empty(t, taken)
}

func TestCheckOfANewVersion(t *testing.T) {
	checked := func(t *testing.T, script string) (*app, error) {
		a := newApp(t, func(c *file.Config) {
			c.Check = []string{"/bin/sh", "-c", script, "check", "see " + file.Staged}
			c.CommandLimit = time.Minute
		})
		a.fetch(t)
		return a, a.installer.Stage(t.Context(), a.job)
	}
	t.Run("takes it", func(t *testing.T) {
		a, err := checked(t, `echo "$1 $OTA_DEVICE" >>seen; cmp -s "${1#see }" new`)
		require.ErrorContains(t, err, "the check refuses the new version: exit status 2")
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(a.Path), "new"), a.content, 0o600))
		require.NoError(t, a.installer.Stage(t.Context(), a.job), "it is asked again")
		_, err = a.installer.Activate(t.Context(), a.job)
		require.NoError(t, err)
		seen, err := os.ReadFile(filepath.Join(filepath.Dir(a.Path), "seen"))
		require.NoError(t, err)
		line := "see " + a.Path + ".ota-next gw-0001\n"
		assert.Equal(t, line+line, string(seen))
		require.NoError(t, a.installer.Stage(t.Context(), a.job), "what is live is not asked about")
	})
	t.Run("refuses it", func(t *testing.T) {
		a, err := checked(t, "echo working >&2; echo line 7 is wrong >&2; exit 3")
		require.ErrorContains(t, err, "exit status 3: working\nline 7 is wrong")
		a.revert(t)
		assert.Equal(t, "1.0.0", a.version(t))
		assert.NoFileExists(t, a.Path+".ota-next")
	})
	t.Run("changes it", func(t *testing.T) {
		a, err := checked(t, `echo more >>"${1#see }"`)
		require.NoError(t, err)
		_, err = a.installer.Activate(t.Context(), a.job)
		firmwaretest.RequireCode(t, ota.InstallerFailed, err)
		assert.Equal(t, "1.0.0", a.version(t))
	})
	t.Run("hangs", func(t *testing.T) {
		a := newApp(t, func(c *file.Config) { c.Check, c.CommandLimit = []string{"sleep", "600"}, 50*time.Millisecond })
		a.fetch(t)
		require.ErrorContains(t, a.installer.Stage(t.Context(), a.job), "sleep took longer than 50ms")
	})
}
