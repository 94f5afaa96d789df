package firmware_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

func TestWriteFileIsOldOrNew(t *testing.T) {
	path := filepath.Join(firmwaretest.Dir(t), "record")
	for n := 1; ; n++ {
		require.NoError(t, firmware.Disk{}.WriteFile(path, []byte("old")))
		var power firmwaretest.Breaker
		power.CutAt(n)
		err := power.Disk().WriteFile(path, []byte("new"))
		content, readErr := os.ReadFile(path)
		require.NoError(t, readErr)
		if !power.WasCut() {
			require.NoError(t, err)
			require.Equal(t, "new", string(content))
			require.Greater(t, n, 4, "create, write, sync, rename and sync are changes")
			return
		}
		require.ErrorIs(t, err, firmwaretest.ErrPowerCut)
		require.Contains(t, []string{"old", "new"}, string(content), "cut at %d", n)
	}
}

func TestExchange(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	require.NoError(t, os.WriteFile(a, []byte("a"), 0o600))
	require.NoError(t, os.Mkdir(b, 0o700))
	require.NoError(t, firmware.Disk{}.Exchange(a, b))
	assert.DirExists(t, a)
	assert.FileExists(t, b)

	require.ErrorIs(t, firmware.Disk{}.Exchange(a, filepath.Join(dir, "c")), os.ErrNotExist)
	unable := firmware.Disk{Before: func(firmware.Change) error { return unix.EINVAL }}
	require.ErrorIs(t, unable.Exchange(a, b), firmware.ErrNoExchange)
}

func TestRemoveAll(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "tree")
	closed := filepath.Join(root, "sub", "closed")
	require.NoError(t, os.MkdirAll(closed, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(closed, "file"), nil, 0o400))
	outside := filepath.Join(dir, "outside")
	require.NoError(t, os.WriteFile(outside, nil, 0o600))
	require.NoError(t, os.Symlink(dir, filepath.Join(root, "link")))
	require.NoError(t, os.Chmod(closed, 0o500))

	require.NoError(t, firmware.Disk{}.RemoveAll(root))
	assert.NoDirExists(t, root)
	assert.FileExists(t, outside, "a link was followed")
	require.NoError(t, firmware.Disk{}.RemoveAll(root), "nothing there is no error")
}

func TestOpenFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(target, []byte("precious"), 0o600))
	require.NoError(t, os.Symlink(target, link))
	_, err := firmware.Disk{}.Open(link)
	require.ErrorIs(t, err, syscall.ELOOP)
	_, err = firmware.Disk{}.Create(link)
	require.ErrorIs(t, err, syscall.ELOOP)
	content, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(content))
}

func TestEveryChangePassesTheHook(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("here"), nil, 0o600))
	refused := errors.New("refused")
	d := firmware.Disk{Before: func(firmware.Change) error { return refused }}
	open, err := firmware.Disk{}.Open(path("here"))
	require.NoError(t, err)
	require.NoError(t, open.Close())
	here, err := firmware.OpenRead(path("here"))
	require.NoError(t, err)
	defer here.Close()
	root, err := os.Open(dir)
	require.NoError(t, err)
	defer root.Close()

	for name, change := range map[string]func() error{
		"open":     func() error { _, err := d.Open(path("new")); return err },
		"create":   func() error { _, err := d.Create(path("here")); return err },
		"write":    func() error { return d.WriteFile(path("here"), nil) },
		"mkdir":    func() error { return d.MkdirAll(path("new/dir")) },
		"rename":   func() error { return d.Rename(path("here"), path("there")) },
		"exchange": func() error { return d.Exchange(path("here"), path("there")) },
		"link":     func() error { return d.Link(path("here"), path("there")) },
		"remove":   func() error { return d.RemoveAll(path("here")) },
		"sync":     func() error { return d.Sync(dir) },
		"tree":     func() error { return d.SyncTree(root) },
		"dress":    func() error { return d.Dress(here, os.Geteuid(), os.Getegid(), 0o644) },
	} {
		require.ErrorIs(t, change(), refused, name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "here", entries[0].Name())
}

func TestWriteFailure(t *testing.T) {
	require.NoError(t, firmware.WriteFailure(nil))
	firmwaretest.RequireCode(t, ota.SpaceLow, firmware.WriteFailure(&os.PathError{Op: "write", Err: syscall.ENOSPC}))
	firmwaretest.RequireCode(t, ota.WriteFailed, firmware.WriteFailure(&os.PathError{Op: "write", Err: syscall.EIO}))
	firmwaretest.RequireCode(t, ota.TooLarge, firmware.WriteFailure(firmware.Failf(ota.TooLarge, "known")))
}

// Components make their directories at the same time, when a device starts for
// the first time.
func TestMkdirAllBesideOthers(t *testing.T) {
	for range 100 {
		dir := filepath.Join(t.TempDir(), "state", "components")
		errs := make(chan error)
		for _, name := range []string{"a", "b", "c", "d"} {
			go func() { errs <- firmware.Disk{}.MkdirAll(filepath.Join(dir, name)) }()
		}
		for range 4 {
			require.NoError(t, <-errs)
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.ErrorIs(t, firmware.Disk{}.MkdirAll(path), os.ErrExist)
}
