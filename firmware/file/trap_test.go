package file_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/firmware/firmwaretest"
)

// old is what the agent has verified some time ago: a file like those that it
// makes, with other bytes.
var old = []byte("an older version, which was signed, too")

// traps are what the owner of a component's directory can put in the place of a
// name in it.
func traps() map[string]func(name, outside string) error {
	return map[string]func(name, outside string) error{
		"second names of files outside": func(name, outside string) error {
			if filepath.Base(name) == "app" {
				return os.Link(filepath.Join(outside, "file"), name)
			}
			return os.Link(filepath.Join(outside, "program"), name)
		},
		"directories with second names": func(name, outside string) error {
			if err := os.MkdirAll(filepath.Join(name, ".ota-part"), 0o777); err != nil {
				return err
			}
			if err := os.Link(filepath.Join(outside, "program"), filepath.Join(name, "program")); err != nil {
				return err
			}
			return os.Link(filepath.Join(outside, "file"), filepath.Join(name, ".ota-part", "file"))
		},
		"files of the agent's own": func(name, _ string) error { return os.WriteFile(name, old, 0o600) },
	}
}

// TestTrapsAtEveryChange puts other things in the place of the agent's names
// before each of its changes, a race that the application always wins: nothing
// outside the directory changes, and what is called the new version is it.
func TestTrapsAtEveryChange(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can be led astray by another user: there is nothing to try")
		return
	}
	for name, set := range traps() {
		for _, unpack := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", a file", true: ", a directory"}[unpack], func(t *testing.T) {
				for n := 1; trapped(t, n, unpack, set); n++ {
				}
			})
		}
	}
}

// trapped upgrades with a trap before change n, and reports whether there was one.
func trapped(t *testing.T, n int, unpack bool, set func(name, outside string) error) bool {
	dir := firmwaretest.Dir(t)
	outside, left := filepath.Join(dir, "outside"), n
	plant(t, outside)
	before := portrait(t, outside)
	a := newApp(t, func(c *file.Config) {
		c.Path, c.StateDir = filepath.Join(dir, "app"), filepath.Join(dir, "state")
		if unpack {
			c.Unpack, c.Unpacker = true, unpacker{}
		}
		c.Disk.Before = func(firmware.Change) error {
			if left--; left == 0 {
				for _, name := range []string{c.Path + ".ota-next", c.Path + ".ota-previous", c.Path + ".ota-trial", c.Path} {
					// What is not there needs no trap.
					if os.Rename(name, name+"-gone") == nil {
						require.NoError(t, set(name, outside))
					}
				}
			}
			return nil
		}
	})
	if unpack {
		require.NoError(t, os.Remove(a.Path))
		plant(t, a.Path)
		a.content = bundles("1.1.0").Data[0]
		a.job = jobOf(bundles("1.1.0").Files[0])
	}
	require.NoError(t, os.Lchown(a.Path, nobody, nobody))
	went := upgraded(t, a)
	if live, err := os.ReadFile(a.Path); !unpack && went && err == nil && a.version(t) == "1.1.0" {
		require.True(t, bytes.Equal(a.content, live), "change %d: what runs is called 1.1.0, and is not", n)
	}
	if unpack && went && a.version(t) == "1.1.0" {
		require.NoFileExists(t, filepath.Join(a.Path, "program"), "change %d: what runs is called 1.1.0, and is not", n)
	}
	require.Equal(t, before, portrait(t, outside), "change %d", n)
	_, _ = a.installer.Revert(t.Context(), a.job)
	require.Equal(t, before, portrait(t, outside), "the rollback after change %d", n)
	return left <= 0
}

// upgraded takes the steps of an upgrade, each of which may fail, as often as the
// agent would, and reports whether it went well.
func upgraded(t *testing.T, a *app) bool {
	for range 2 {
		places, err := a.installer.Open(t.Context(), a.job)
		if err != nil {
			continue
		}
		_, err = places[0].WriteAt(a.content, 0)
		require.NoError(t, err)
		require.NoError(t, places[0].Close())
		if a.installer.Stage(t.Context(), a.job) != nil {
			continue
		}
		if _, err = a.installer.Activate(t.Context(), a.job); err == nil {
			return true
		}
	}
	return false
}

// TestRightsOfAnotherProgram do not become the application's, because the owner of
// its directory has given that program a second name there.
func TestRightsOfAnotherProgram(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root has something to give away")
		return
	}
	for owner, want := range map[int]fs.FileMode{0: fs.ModeSetuid | 0o755, nobody: 0o755} {
		dir := firmwaretest.Dir(t)
		require.NoError(t, os.Chmod(dir, 0o755))
		plant(t, filepath.Join(dir, "outside"))
		program := filepath.Join(dir, "outside", "program")
		require.NoError(t, os.Chmod(program, fs.ModeSetuid|0o755))
		own := filepath.Join(dir, "own")
		require.NoError(t, os.Mkdir(own, 0o755))
		require.NoError(t, os.Chown(own, owner, owner))
		a := newApp(t, func(c *file.Config) { c.Path = filepath.Join(own, "app") })
		require.NoError(t, os.Remove(a.Path))
		require.NoError(t, os.Link(program, a.Path))
		a.upgrade(t)
		info, err := os.Stat(a.Path)
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode(), "the directory belongs to %d", owner)
	}
}

// TestMountPointBelow is not crossed: what is mounted in a directory that goes
// stays where it is.
func TestMountPointBelow(t *testing.T) {
	dir := firmwaretest.Dir(t)
	outside := filepath.Join(dir, "outside")
	plant(t, outside)
	before := portrait(t, outside)
	a := newApp(t, func(c *file.Config) {
		c.Path, c.Unpack, c.Unpacker = filepath.Join(dir, "app"), true, unpacker{}
	})
	require.NoError(t, os.Remove(a.Path))
	data := filepath.Join(a.Path, "data")
	require.NoError(t, os.MkdirAll(data, 0o755))
	if err := unix.Mount(outside, data, "", unix.MS_BIND, ""); err != nil {
		t.Logf("cannot mount, so nothing is mounted: %v", err)
		return
	}
	t.Cleanup(func() {
		for _, name := range []string{data, a.Path + ".ota-previous/data", a.Path + ".ota-next/data"} {
			_ = unix.Unmount(name, unix.MNT_DETACH) // it is at one of them
		}
	})
	a.content = bundles("1.1.0").Data[0]
	a.job = jobOf(bundles("1.1.0").Files[0])
	a.upgrade(t)
	require.NoError(t, a.installer.Commit(t.Context(), a.job))
	next := a.job
	next.Target = "1.2.0" // which drops the previous version
	_, err := a.installer.Open(t.Context(), next)
	require.Equal(t, before, portrait(t, outside))
	assert.ErrorContains(t, err, "data is a mount point: unmount it")
}
