package file_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

// app is an application's file with its installer.
type app struct {
	file.Config
	installer firmware.Installer
	job       firmware.Job
	content   []byte // of the new version
}

func newApp(t *testing.T, change func(*file.Config)) *app {
	dir := t.TempDir()
	a := &app{content: firmwaretest.Content("1.1.0", 10<<10)}
	a.Config = file.Config{
		Path: filepath.Join(dir, "app"), Version: "1.0.0", Device: "gw-0001", StateDir: filepath.Join(dir, "state"),
	}
	if change != nil {
		change(&a.Config)
	}
	require.NoError(t, os.WriteFile(a.Path, []byte("the old one"), 0o640))
	a.job = jobOf(firmwaretest.Plain("app.bin", a.content))
	a.restart(t)
	return a
}

func jobOf(files ...ota.File) firmware.Job {
	return firmware.Job{Component: "app", Source: "1.0.0", Target: "1.1.0", Files: files}
}

func (a *app) restart(t *testing.T) {
	installer, err := file.New(a.Config)
	require.NoError(t, err)
	a.installer = installer
}

func (a *app) fetch(t *testing.T) {
	t.Helper()
	places, err := a.installer.Open(t.Context(), a.job)
	require.NoError(t, err)
	_, err = places[0].WriteAt(a.content, 0)
	require.NoError(t, err)
	require.NoError(t, places[0].Sync())
	require.NoError(t, places[0].Close())
}

func (a *app) upgrade(t *testing.T) {
	t.Helper()
	a.fetch(t)
	require.NoError(t, a.installer.Stage(t.Context(), a.job))
	_, err := a.installer.Activate(t.Context(), a.job)
	require.NoError(t, err)
}

func (a *app) revert(t *testing.T) {
	t.Helper()
	_, err := a.installer.Revert(t.Context(), a.job)
	require.NoError(t, err)
}

func (a *app) version(t *testing.T) string {
	t.Helper()
	found, err := a.installer.Inspect(t.Context())
	require.NoError(t, err)
	return found.Version
}

func TestNamesOnTheDisk(t *testing.T) {
	a := newApp(t, nil)
	a.fetch(t)
	assert.FileExists(t, a.Path+".ota-next", "bytes stream to the inactive place")
	assert.NoFileExists(t, filepath.Join(a.StateDir, "files", "app.bin"), "there is a second copy")
	require.NoError(t, a.installer.Stage(t.Context(), a.job))
	_, err := a.installer.Activate(t.Context(), a.job)
	require.NoError(t, err)
	assert.FileExists(t, a.Path+".ota-previous")
	assert.NoFileExists(t, a.Path+".ota-next")
	require.NoError(t, a.installer.Commit(t.Context(), a.job))
	assert.FileExists(t, a.Path+".ota-previous", "confirm must leave a rollback")
	a.revert(t)
	assert.NoFileExists(t, a.Path+".ota-previous")
	assert.NoFileExists(t, a.Path+".ota-next")
}

func TestModeAndOwner(t *testing.T) {
	modeOf := func(a *app) fs.FileMode {
		info, err := os.Stat(a.Path)
		require.NoError(t, err)
		return info.Mode()
	}
	t.Run("of the old file", func(t *testing.T) {
		a := newApp(t, nil)
		a.upgrade(t)
		assert.Equal(t, fs.FileMode(0o640), modeOf(a))
		a.revert(t)
		a.upgrade(t)
		assert.Equal(t, fs.FileMode(0o640), modeOf(a), "after a second attempt")
	})
	t.Run("of nothing", func(t *testing.T) {
		a := newApp(t, nil)
		require.NoError(t, os.Remove(a.Path))
		a.upgrade(t)
		assert.Equal(t, fs.FileMode(0o755), modeOf(a))
	})
	t.Run("of the configuration", func(t *testing.T) {
		a := newApp(t, func(c *file.Config) { c.Mode = 0o700 })
		a.upgrade(t)
		assert.Equal(t, fs.FileMode(0o700), modeOf(a))
	})
	t.Run("staged file that was made anew", func(t *testing.T) {
		a := newApp(t, nil)
		a.fetch(t)
		require.NoError(t, a.installer.Stage(t.Context(), a.job))
		require.NoError(t, os.Remove(a.Path+".ota-next"))
		a.upgrade(t)
		assert.Equal(t, fs.FileMode(0o640), modeOf(a))
	})
	t.Run("owner", func(t *testing.T) {
		a := newApp(t, nil)
		owner := os.Geteuid()
		if owner == 0 {
			owner = 4321
			require.NoError(t, os.Chown(a.Path, owner, owner))
		}
		a.upgrade(t)
		info, err := os.Stat(a.Path)
		require.NoError(t, err)
		assert.EqualValues(t, owner, info.Sys().(*syscall.Stat_t).Uid)
	})
}

func TestInspectTellsTheTruth(t *testing.T) {
	a := newApp(t, nil)
	assert.Equal(t, "1.0.0", a.version(t), "nothing was ever installed")
	a.upgrade(t)

	copied, err := os.ReadFile(a.Path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(a.Path))
	require.NoError(t, os.WriteFile(a.Path, copied, 0o755))
	assert.Equal(t, "1.1.0", a.version(t), "a copy is known by its content")

	require.NoError(t, os.WriteFile(a.Path, []byte("by hand"), 0o755))
	assert.Equal(t, "unknown", a.version(t))
	require.NoError(t, os.Remove(a.Path))
	assert.Equal(t, "unknown", a.version(t), "nothing is there")

	require.NoError(t, os.WriteFile(filepath.Join(a.StateDir, "record.json"), []byte(`{"job":"x"}`), 0o600))
	require.NoError(t, os.WriteFile(a.Path, copied, 0o755))
	assert.Equal(t, "unknown", a.version(t), "the record is damaged")
	_, err = a.installer.Revert(t.Context(), a.job)
	require.NoError(t, err)
	a.upgrade(t)
	assert.Equal(t, "1.1.0", a.version(t), "a new job mends it")
}

func TestVersionsOfTheSameContent(t *testing.T) {
	a := newApp(t, nil)
	require.NoError(t, os.WriteFile(a.Path, a.content, 0o640))
	for range 2 {
		a.upgrade(t)
		assert.Equal(t, "1.1.0", a.version(t))
		a.revert(t)
		assert.Equal(t, "1.0.0", a.version(t))
	}
}

func TestRevertAfterAnExternalChange(t *testing.T) {
	a := newApp(t, nil)
	a.fetch(t)
	require.NoError(t, a.installer.Stage(t.Context(), a.job))
	require.NoError(t, os.WriteFile(a.Path, []byte("by hand"), 0o755))
	_, err := a.installer.Activate(t.Context(), a.job)
	require.NoError(t, err)
	a.revert(t)
	content, err := os.ReadFile(a.Path)
	require.NoError(t, err)
	assert.Equal(t, "by hand", string(content), "what was live before comes back")
}

func TestRevertWithoutThePreviousVersion(t *testing.T) {
	a := newApp(t, nil)
	a.upgrade(t)
	require.NoError(t, os.Remove(a.Path+".ota-previous"))
	_, err := a.installer.Revert(t.Context(), a.job)
	failure := firmwaretest.RequireCode(t, ota.InstallerFailed, err)
	assert.Contains(t, failure.Detail, "cannot roll back to 1.0.0")
	assert.Equal(t, "1.1.0", a.version(t))

	next := a.job
	next.Target = "1.2.0"
	_, err = a.installer.Open(t.Context(), next)
	require.NoError(t, err)
	_, err = a.installer.Revert(t.Context(), a.job)
	require.ErrorContains(t, err, "not kept any more")
}

// TestOpenAfterActivate opens the same job when a cut has left the old version
// under the name of the place: it must not be taken for one.
func TestOpenAfterActivate(t *testing.T) {
	a := newApp(t, nil)
	a.upgrade(t)
	require.NoError(t, os.Rename(a.Path+".ota-previous", a.Path+".ota-next"))
	a.fetch(t)
	a.revert(t)
	content, err := os.ReadFile(a.Path)
	require.NoError(t, err)
	assert.Equal(t, "the old one", string(content))
}

func TestRefusedJobs(t *testing.T) {
	one, two := firmwaretest.Plain("one", []byte("1")), firmwaretest.Plain("two", []byte("2"))
	tests := map[string]struct {
		job  firmware.Job
		code ota.Code
		want string
	}{
		"two files": {jobOf(one, two), ota.ManifestMismatch, "is one file, the package has 2"},
		"no file":   {jobOf(), ota.ManifestMismatch, "1 to 5 files"},
		"too large": {
			jobOf(firmwaretest.Plain("app", make([]byte, 101))), ota.TooLarge, "needs 101 B, 1 B more than app takes",
		},
	}
	a := newApp(t, func(c *file.Config) { c.Capacity = 100 })
	for name, test := range tests {
		_, err := a.installer.Open(t.Context(), test.job)
		failure := firmwaretest.RequireCode(t, test.code, err)
		assert.Contains(t, failure.Detail, test.want, name)
		firmwaretest.RequireCode(t, test.code, a.installer.Stage(t.Context(), test.job))
	}
}

// A patch is held against the live file before a place is opened for it.
func TestPatchThatDoesNotStartFromWhatRuns(t *testing.T) {
	a := newApp(t, nil)
	file, _ := firmwaretest.BSDiff("app.bsdiff", []byte("another"), a.content)
	_, err := a.installer.Open(t.Context(), jobOf(file))
	failure := firmwaretest.RequireCode(t, ota.DeltaFailed, err)
	assert.Contains(t, failure.Detail, "app.bsdiff does not start from what runs")
	assert.NoDirExists(t, a.StateDir, "nothing was begun")

	require.NoError(t, os.Remove(a.Path))
	_, err = a.installer.Open(t.Context(), jobOf(file))
	assert.Contains(t, firmwaretest.RequireCode(t, ota.DeltaFailed, err).Detail, "cannot open the image that runs")
}

// Where the manifest does not say what a patch starts from, the result tells,
// and what runs stays.
func TestPatchWithoutBase(t *testing.T) {
	a := newApp(t, nil)
	old := firmwaretest.Content("1.0.0", 3000)
	image := append(bytes.Clone(old), "and more"...)
	require.NoError(t, os.WriteFile(a.Path, old, 0o640))
	fits, good := firmwaretest.BSDiff("app.bsdiff", old, image)
	other, bad := firmwaretest.BSDiff("app.bsdiff", append([]byte("else"), old...), image)
	for _, test := range []struct {
		file  ota.File
		patch []byte
		fails bool
	}{{other, bad, true}, {fits, good, false}} {
		test.file.Base = nil
		job := jobOf(test.file)
		places, err := a.installer.Open(t.Context(), job)
		require.NoError(t, err)
		_, err = places[0].WriteAt(test.patch, 0)
		require.NoError(t, err)
		require.NoError(t, places[0].Close())
		err = a.installer.Stage(t.Context(), job)
		if test.fails {
			firmwaretest.RequireCode(t, ota.DeltaFailed, err)
			_, err = a.installer.Revert(t.Context(), job)
		}
		require.NoError(t, err)
		content, err := os.ReadFile(a.Path)
		require.NoError(t, err)
		assert.Equal(t, old, content)
	}
}

func TestUnpackRefusesPatches(t *testing.T) {
	a := newApp(t, func(c *file.Config) { c.Unpack, c.Unpacker = true, unpacker{} })
	patch, _ := firmwaretest.BSDiff("app.tar", []byte("the old one"), a.content)
	_, err := a.installer.Open(t.Context(), jobOf(patch))
	assert.Contains(t, firmwaretest.RequireCode(t, ota.DeltaFailed, err).Detail, "is not supported by this installer")
}

func TestAfter(t *testing.T) {
	ran := func(t *testing.T, a *app) int {
		log, err := os.ReadFile(filepath.Join(filepath.Dir(a.Path), "log"))
		if errors.Is(err, fs.ErrNotExist) {
			return 0
		}
		require.NoError(t, err)
		return strings.Count(string(log), "ran for gw-0001\n")
	}
	t.Run("runs in both directions", func(t *testing.T) {
		a := newApp(t, func(c *file.Config) { c.After = []string{"/bin/sh", "-c", `echo "ran for $OTA_DEVICE" >>log`} })
		a.fetch(t)
		a.revert(t)
		assert.Equal(t, 0, ran(t, a), "nothing was switched")
		a.upgrade(t)
		assert.Equal(t, 1, ran(t, a))
		_, err := a.installer.Activate(t.Context(), a.job)
		require.NoError(t, err)
		assert.Equal(t, 2, ran(t, a), "a cut may have come before it")
		a.revert(t)
		assert.Equal(t, 3, ran(t, a))
	})
	t.Run("failing fails the step", func(t *testing.T) {
		a := newApp(t, func(c *file.Config) { c.After = []string{"/bin/sh", "-c", "echo unit not found >&2; exit 5"} })
		a.fetch(t)
		require.NoError(t, a.installer.Stage(t.Context(), a.job))
		_, err := a.installer.Activate(t.Context(), a.job)
		require.ErrorContains(t, err, "exit status 5: unit not found")
		_, err = a.installer.Revert(t.Context(), a.job)
		require.ErrorContains(t, err, "cannot run /bin/sh after the switch")
		assert.Equal(t, "1.0.0", a.version(t), "the file is back all the same")
	})
	t.Run("is bounded", func(t *testing.T) {
		a := newApp(t, func(c *file.Config) {
			c.After, c.CommandLimit = []string{"sleep", "600"}, 50*time.Millisecond
		})
		a.fetch(t)
		require.NoError(t, a.installer.Stage(t.Context(), a.job))
		_, err := a.installer.Activate(t.Context(), a.job)
		require.ErrorContains(t, err, "took longer than 50ms")
	})
}

// TestDirectoryNeedsExchange, which the file system has lost since Open tried it.
func TestDirectoryNeedsExchange(t *testing.T) {
	lost := false
	a := newApp(t, func(c *file.Config) {
		c.Unpack, c.Unpacker = true, unpacker{}
		c.Disk.Before = func(change firmware.Change) error {
			if lost && change.Op == firmware.OpExchange {
				return syscall.ENOSYS
			}
			return nil
		}
	})
	a.content = bundles("1.1.0").Data[0]
	a.job = jobOf(bundles("1.1.0").Files[0])
	a.fetch(t)
	require.NoError(t, a.installer.Stage(t.Context(), a.job))
	lost = true
	_, err := a.installer.Activate(t.Context(), a.job)
	failure := firmwaretest.RequireCode(t, ota.InstallerFailed, err)
	assert.Contains(t, failure.Detail, "cannot switch the directory")
	assert.Equal(t, "1.0.0", a.version(t))
	a.revert(t)
	assert.Equal(t, "1.0.0", a.version(t))
}

type refusing struct{ err error }

func (r refusing) Unpack(context.Context, string, string, string) error { return r.err }

func TestUnpackFailures(t *testing.T) {
	for code, cause := range map[ota.Code]error{
		ota.UnpackFailed: errors.New("not a tar archive"),
		ota.SpaceLow:     &os.PathError{Op: "write", Err: syscall.ENOSPC},
		ota.TooLarge:     firmware.Failf(ota.TooLarge, "more than 10 entries"),
	} {
		a := newApp(t, func(c *file.Config) { c.Unpack, c.Unpacker = true, refusing{cause} })
		a.fetch(t)
		firmwaretest.RequireCode(t, code, a.installer.Stage(t.Context(), a.job))
	}
}

func TestArchivesWithTheSameEntry(t *testing.T) {
	a := newApp(t, func(c *file.Config) { c.Unpack, c.Unpacker = true, unpacker{} })
	one := []byte("a=00")
	a.job = jobOf(firmwaretest.Plain("one.bundle", one), firmwaretest.Plain("two.bundle", one))
	places, err := a.installer.Open(t.Context(), a.job)
	require.NoError(t, err)
	for _, p := range places {
		_, err = p.WriteAt(one, 0)
		require.NoError(t, err)
		require.NoError(t, p.Close())
	}
	failure := firmwaretest.RequireCode(t, ota.UnpackFailed, a.installer.Stage(t.Context(), a.job))
	assert.Contains(t, failure.Detail, "two.bundle holds a, which an earlier file")
}

func TestDirectoryMayBeWrittenInto(t *testing.T) {
	a := newApp(t, func(c *file.Config) { c.Unpack, c.Unpacker = true, unpacker{} })
	a.content = bundles("1.1.0").Data[0]
	a.job = jobOf(bundles("1.1.0").Files[0])
	a.upgrade(t)
	require.NoError(t, os.WriteFile(filepath.Join(a.Path, "cache"), nil, 0o600))
	assert.Equal(t, "1.1.0", a.version(t))

	require.NoError(t, os.Remove(filepath.Join(a.Path, "cache")))
	require.NoError(t, os.CopyFS(a.Path+"-copy", os.DirFS(a.Path)))
	require.NoError(t, os.RemoveAll(a.Path))
	require.NoError(t, os.Rename(a.Path+"-copy", a.Path))
	require.NoError(t, os.Chmod(a.Path, 0o755))
	for _, name := range []string{"a", "b"} {
		require.NoError(t, os.Chmod(filepath.Join(a.Path, name), 0o600))
	}
	assert.Equal(t, "1.1.0", a.version(t), "a copy is known by its content")
	require.NoError(t, os.Symlink("a", filepath.Join(a.Path, "link")))
	assert.Equal(t, "unknown", a.version(t))
}

func TestConfigValidate(t *testing.T) {
	_, err := file.New(file.Config{
		Path: "app", StateDir: "state", Unpack: true, CommandLimit: -1, After: []string{""}, Mode: fs.ModeDir,
		Restart: "later",
	})
	require.Error(t, err)
	for _, want := range []string{
		`path "app"`, `version ""`, `state directory "state"`, "nothing to unpack with", "a limit is negative",
		"after names no program", "more than permission bits", `restart "later"`,
	} {
		assert.Contains(t, err.Error(), want)
	}
	assert.Len(t, strings.Split(err.Error(), "\n"), 8)
}
