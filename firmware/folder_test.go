package firmware_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
)

// Links of root or the agent's user lead the way to a directory. One of another
// user leads nowhere.
func TestLinksOnTheWay(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "data", "v1")
	require.NoError(t, os.MkdirAll(real, 0o700))
	require.NoError(t, os.Symlink("data/../data/v1", filepath.Join(dir, "relative")))
	require.NoError(t, os.Symlink(real, filepath.Join(dir, "absolute")))
	disk := firmware.Disk{}
	for _, link := range []string{"relative", "absolute"} {
		path := filepath.Join(dir, link, "sub", "record")
		require.NoError(t, disk.MkdirAll(filepath.Dir(path)))
		require.NoError(t, disk.WriteFile(path, []byte(link)))
		require.NoError(t, disk.Sync(filepath.Join(dir, link)))
		content, err := os.ReadFile(filepath.Join(real, "sub", "record"))
		require.NoError(t, err)
		assert.Equal(t, link, string(content))
	}
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	require.ErrorIs(t, disk.WriteFile(filepath.Join(dir, "loop", "x"), nil), unix.ELOOP)
	if os.Geteuid() == 0 {
		require.NoError(t, os.Lchown(filepath.Join(dir, "relative"), 65534, 65534))
		require.ErrorContains(t, disk.WriteFile(filepath.Join(dir, "relative", "x"), nil), "belongs to another user")
		require.ErrorContains(t, disk.RemoveAll(filepath.Join(dir, "relative", "sub")), "belongs to another user")
		assert.DirExists(t, filepath.Join(real, "sub"))
	}
}

// What lies at the place of a file and was not made by the agent is not written
// to, and a place is cleared of it.
func TestOnlyOwnFilesAreWritten(t *testing.T) {
	dir := t.TempDir()
	precious, place := filepath.Join(dir, "precious"), filepath.Join(dir, "place")
	for name, plant := range map[string]func() error{
		"second name": func() error { return os.Link(precious, place) },
		"pipe":        func() error { return unix.Mkfifo(place, 0o600) },
		"link":        func() error { return os.Symlink(precious, place) },
		"directory":   func() error { return os.Mkdir(place, 0o700) },
	} {
		require.NoError(t, os.WriteFile(precious, []byte("precious"), 0o600))
		require.NoError(t, plant())
		_, err := firmware.Disk{}.Create(place)
		require.Error(t, err, name)
		require.NoError(t, firmware.Disk{}.Clear(place, 1<<20), name)
		f, err := firmware.Disk{}.Create(place)
		require.NoError(t, err, name)
		require.NoError(t, f.Close())
		require.NoError(t, firmware.Disk{}.Clear(place, 1<<20), name)
		assert.FileExists(t, place, "its own stays")
		require.NoError(t, os.Remove(place))
		content, err := os.ReadFile(precious)
		require.NoError(t, err)
		assert.Equal(t, "precious", string(content), name)
	}
}

// What is mounted below, be it another place of the same file system, is not part
// of the directory that goes.
func TestRemoveAllCrossesNoMountPoint(t *testing.T) {
	dir := t.TempDir()
	work, precious := filepath.Join(dir, "work", "sub"), filepath.Join(dir, "precious")
	require.NoError(t, os.MkdirAll(work, 0o700))
	require.NoError(t, os.Mkdir(precious, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(precious, "file"), nil, 0o600))
	if err := unix.Mount(precious, work, "", unix.MS_BIND, ""); err != nil {
		t.Logf("cannot mount, so nothing is mounted: %v", err)
		return
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(work, unix.MNT_DETACH)) })
	require.ErrorContains(t, firmware.Disk{}.RemoveAll(filepath.Dir(work)), "sub is a mount point: unmount it")
	assert.FileExists(t, filepath.Join(precious, "file"))
}

// No path is long enough for these directories, and no process has descriptors
// enough.
func TestRemoveAllOfDeepDirectories(t *testing.T) {
	root := filepath.Join(t.TempDir(), "tree")
	require.NoError(t, os.Mkdir(root, 0o700))
	fd, err := unix.Open(root, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	for n := range 300 {
		name := fmt.Sprintf("%s%d", strings.Repeat("d", 200), n)
		require.NoError(t, unix.Mkdirat(fd, name, 0o700))
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Close(fd))
		fd = next
	}
	require.NoError(t, unix.Close(fd))
	require.NoError(t, firmware.Disk{}.RemoveAll(root))
	assert.NoDirExists(t, root)
}
