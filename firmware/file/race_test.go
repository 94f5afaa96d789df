package file_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/firmware/firmwaretest"
)

// racerDirectory is the variable that makes the test program the racer.
const racerDirectory = "OTA_RACER_DIRECTORY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(racerDirectory); dir != "" {
		race(dir)
	}
	if number := os.Getenv(statxFails); number != "" {
		if err := failStatx(number); err != nil {
			fmt.Fprintln(os.Stderr, "cannot make statx fail:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// race renames and links at random in a directory and beside it, until it is
// killed. It is an application that wants to lead the agent astray.
func race(dir string) {
	random := rand.New(rand.NewPCG(1, 2))
	outside := filepath.Join(filepath.Dir(dir), "outside")
	names := []string{
		"app", "app.ota-next", "app.ota-previous", "app.ota-trial", "app.ota-starts", "x", "y", "app.ota-next/.ota-part",
		"app/a", "app/b", "app.ota-previous/a", "app.ota-previous/b", "app.ota-next/a", "x/a", "y/b", "app/sub", "x/sub",
	}
	targets := []string{outside, outside + "/file", outside + "/program", outside + "/sub", "../outside", "/"}
	any := func(of []string) string { return of[random.IntN(len(of))] }
	path := func() string { return filepath.Join(dir, any(names)) }
	// Errors are the rule: most names are not there.
	for {
		switch random.IntN(10) {
		case 0:
			_ = os.Symlink(any(targets), path())
		case 1:
			// The kernel may let users link only what they can write to.
			_ = os.Link(filepath.Join(outside, any([]string{"file", "shared"})), path())
		case 2:
			_ = unix.Renameat2(unix.AT_FDCWD, path(), unix.AT_FDCWD, path(), unix.RENAME_EXCHANGE)
		case 3:
			_ = os.Mkdir(path(), 0o777)
		case 4:
			_ = os.Remove(path())
		case 5:
			plantMine(path())
		case 6:
			_ = unix.Mkfifo(path(), 0o666)
		case 7:
			if random.IntN(200) == 0 { // or it makes them faster than they can be removed
				_ = os.MkdirAll(path()+strings.Repeat("/deep", 100), 0o777)
			}
		default:
			_ = os.Rename(path(), path())
		}
	}
}

// plantMine makes a program of the racer's own, with a right that it would like to
// keep when it is another's.
func plantMine(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o777)
	if err == nil {
		_, _ = f.WriteString("mine")
		_ = f.Chmod(fs.ModeSetuid | 0o755)
		_ = f.Close()
	}
}

// TestRaces has an application, which owns its component's directory, rename
// and link in it while the component is upgraded. Nothing outside the directory
// changes by a byte, a mode, an owner or a name. OTA_RACES gives the number of
// the agent's steps.
func TestRaces(t *testing.T) {
	steps := 400
	if text := os.Getenv("OTA_RACES"); text != "" {
		var err error
		steps, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	if os.Geteuid() != 0 {
		t.Log("only root can be led astray by another user: nothing to race for")
		return
	}
	for _, unpack := range []bool{false, true} {
		dir := firmwaretest.Dir(t)
		require.NoError(t, os.Chmod(dir, 0o755))
		outside, own := filepath.Join(dir, "outside"), filepath.Join(dir, "own")
		plant(t, outside)
		require.NoError(t, os.Mkdir(own, 0o755))
		require.NoError(t, os.Chown(own, nobody, nobody))
		before := portrait(t, outside)
		stop := startRacer(t, own)

		cfg := file.Config{Path: filepath.Join(own, "app"), Version: "1.0.0", StateDir: filepath.Join(dir, "state")}
		if unpack {
			cfg.Unpack, cfg.Unpacker = true, unpacker{}
		}
		good := 0
		for n := 0; n < steps; n += 4 {
			good += upgradeInRace(t, cfg, n, unpack)
			require.Equal(t, before, portrait(t, outside), "after %d steps", n)
			require.Empty(t, gained(t, own), "after %d steps", n)
		}
		stop()
		require.Equal(t, 1, upgradeInRace(t, cfg, steps+1, unpack),
			"what the application has left keeps it from being replaced")
		require.Equal(t, before, portrait(t, outside))
		t.Logf(
			"%d steps of an upgrade, unpack %v, raced by a user who owns the directory: %d went well, nothing outside has "+
				"changed",
			steps, unpack, good,
		)
	}
}

// TestLinksAtEveryChange puts links in the agent's way before each of its changes:
// a race that the application always wins.
func TestLinksAtEveryChange(t *testing.T) {
	for n := 1; ; n++ {
		dir := firmwaretest.Dir(t)
		outside, left := filepath.Join(dir, "outside"), n
		plant(t, outside)
		before := portrait(t, outside)
		a := newApp(t, func(c *file.Config) {
			c.Path, c.Unpack, c.Unpacker = filepath.Join(dir, "app"), true, unpacker{}
			c.Disk.Before = func(firmware.Change) error {
				if left--; left == 0 {
					lead(filepath.Join(dir, "app"), outside)
				}
				return nil
			}
		})
		require.NoError(t, os.Remove(a.Path))
		plant(t, a.Path)
		plant(t, a.Path+".ota-previous")
		a.content = bundles("1.1.0").Data[0]
		a.job = jobOf(bundles("1.1.0").Files[0])
		// Who can do that can make any step fail.
		if places, err := a.installer.Open(t.Context(), a.job); err == nil {
			_, err = places[0].WriteAt(a.content, 0)
			require.NoError(t, err)
			require.NoError(t, places[0].Close())
			if a.installer.Stage(t.Context(), a.job) == nil {
				_, _ = a.installer.Activate(t.Context(), a.job)
			}
		}
		_, _ = a.installer.Revert(t.Context(), a.job)
		require.Equal(t, before, portrait(t, outside), "links before change %d", n)
		if left > 0 {
			return
		}
	}
}

// lead puts links of another user's in the place of directories.
func lead(path, outside string) {
	for _, name := range []string{path + ".ota-previous/sub", path + ".ota-next", path + ".ota-previous", path + "/sub",
		path} {
		// What is not there needs no link.
		if os.Rename(name, name+"-gone") == nil && os.Symlink(outside, name) == nil {
			_ = os.Lchown(name, nobody, nobody)
		}
	}
}

const nobody = 65534

// plant makes what must stay as it is.
func plant(t *testing.T, outside string) {
	require.NoError(t, os.MkdirAll(filepath.Join(outside, "sub"), 0o755))
	for _, name := range []string{"file", "program", "shared", "sub/a", "sub/b", "a", "b"} {
		require.NoError(t, os.WriteFile(filepath.Join(outside, name), []byte("precious "+name), 0o644))
	}
	require.NoError(t, os.Chmod(filepath.Join(outside, "program"), 0o700))
	require.NoError(t, os.Chmod(filepath.Join(outside, "shared"), 0o666))
}

// portrait describes a tree, but for the number of its names, which link(2) changes.
func portrait(t *testing.T, root string) string {
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := os.Lstat(path)
		require.NoError(t, err)
		content, _ := os.ReadFile(path) // a directory has none
		stat := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&all, "%s %v %d:%d %q\n", path, info.Mode(), stat.Uid, stat.Gid, content)
		return nil
	}))
	return all.String()
}

// gained names the racer's programs that have become root's, and run as root.
func gained(t *testing.T, dir string) (names []string) {
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSetuid == 0 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			return nil // what has gone meanwhile is no gain either
		}
		names = append(names, path)
		return nil
	})
	return names
}

// startRacer runs this program as another user, until stop is called.
func startRacer(t *testing.T, dir string) (stop func()) {
	racer := exec.Command("/proc/self/exe")
	racer.Env = []string{racerDirectory + "=" + dir}
	racer.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL,
	}
	require.NoError(t, racer.Start())
	stop = func() { _ = racer.Process.Kill(); _ = racer.Wait() } // the second time it has gone
	t.Cleanup(stop)
	return stop
}

// upgradeInRace takes the four steps of an upgrade as far as they go, and gives
// how many upgrades went well.
func upgradeInRace(t *testing.T, cfg file.Config, n int, unpack bool) int {
	installer, err := file.New(cfg)
	require.NoError(t, err)
	content := firmwaretest.Content(fmt.Sprint(n), 2<<10)
	job := jobOf(firmwaretest.Plain("app.bin", content))
	if unpack {
		content = bundles(fmt.Sprint(n)).Data[0]
		job = jobOf(bundles(fmt.Sprint(n)).Files[0])
	}
	job.Target = fmt.Sprintf("1.%d.0", n+1)
	// Who owns the directory may make any step fail.
	places, err := installer.Open(t.Context(), job)
	for _, p := range places {
		_, _ = p.WriteAt(content, 0)
		_ = p.Close()
	}
	if err == nil {
		err = installer.Stage(t.Context(), job)
	}
	if err == nil {
		_, err = installer.Activate(t.Context(), job)
	}
	if n%8 == 0 {
		_, _ = installer.Revert(t.Context(), job)
	}
	if err != nil {
		return 0
	}
	return 1
}

// What an application has put into its own directory does not keep it from being
// replaced, and costs no time.
func TestDirectoryThatCannotBeRead(t *testing.T) {
	for name, fill := range map[string]func(t *testing.T, dir string){
		"deep": func(t *testing.T, dir string) {
			fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			require.NoError(t, err)
			for range 200 {
				require.NoError(t, unix.Mkdirat(fd, strings.Repeat("d", 200), 0o700))
				next, err := unix.Openat(fd, strings.Repeat("d", 200), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
				require.NoError(t, err)
				require.NoError(t, unix.Close(fd))
				fd = next
			}
			require.NoError(t, unix.Close(fd))
		},
		"sparse": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "large"), nil, 0o600))
			require.NoError(t, os.Truncate(filepath.Join(dir, "large"), 8<<40))
		},
		"pipe": func(t *testing.T, dir string) { require.NoError(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, func(c *file.Config) {
				c.Path = filepath.Join(firmwaretest.Dir(t), "app")
				c.Unpack, c.Unpacker = true, unpacker{}
			})
			require.NoError(t, os.Remove(a.Path))
			require.NoError(t, os.Mkdir(a.Path, 0o755))
			fill(t, a.Path)
			a.content = bundles("1.1.0").Data[0]
			a.job = jobOf(bundles("1.1.0").Files[0])
			a.upgrade(t)
			assert.Equal(t, "1.1.0", a.version(t))
			a.revert(t)
			assert.Equal(t, "1.0.0", a.version(t))
			a.upgrade(t)
			next := a.job
			next.Target = "1.2.0" // which drops the previous version
			_, err := a.installer.Open(t.Context(), next)
			require.NoError(t, err)
		})
	}
}

// While it waits, a version for another user's file is closed to that user: what
// goes live is what was verified.
func TestWaitingVersionIsClosed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives files away")
		return
	}
	a := newApp(t, nil)
	require.NoError(t, os.Chown(a.Path, nobody, nobody))
	require.NoError(t, os.Chmod(a.Path, fs.ModeSetuid|0o750))
	require.NoError(t, unix.Setxattr(a.Path, "user.note", []byte("1"), 0))
	a.fetch(t)
	require.NoError(t, a.installer.Stage(t.Context(), a.job))
	info, err := os.Stat(a.Path + ".ota-next")
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	assert.EqualValues(t, 0, info.Sys().(*syscall.Stat_t).Uid)
	_, err = a.installer.Activate(t.Context(), a.job)
	require.NoError(t, err)
	info, err = os.Stat(a.Path)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSetuid|0o750, info.Mode())
	assert.EqualValues(t, nobody, info.Sys().(*syscall.Stat_t).Uid)
	value := make([]byte, 8)
	n, err := unix.Getxattr(a.Path, "user.note", value)
	require.NoError(t, err)
	assert.Equal(t, "1", string(value[:n]))

	// A change that sets the time back is seen all the same.
	stamp := info.ModTime()
	content, err := os.ReadFile(a.Path)
	require.NoError(t, err)
	content[0] ^= 1
	require.NoError(t, os.WriteFile(a.Path, content, 0))
	require.NoError(t, os.Chtimes(a.Path, stamp, stamp))
	assert.Equal(t, "unknown", a.version(t))

	// A copy in its place is not the one that was verified, whoever may write to it.
	a.revert(t)
	a.fetch(t)
	require.NoError(t, a.installer.Stage(t.Context(), a.job))
	require.NoError(t, os.Remove(a.Path+".ota-next"))
	require.NoError(t, os.WriteFile(a.Path+".ota-next", a.content, 0o600))
	require.NoError(t, os.Chown(a.Path+".ota-next", nobody, nobody))
	_, err = a.installer.Activate(t.Context(), a.job)
	assert.Contains(t, firmwaretest.RequireCode(t, "installer_failed", err).Detail, "is not the image that was staged")
}

// What the old version may do, and whose it is, the new one may do too, and is: also
// inside of a directory, whatever user the package was made by.
func TestCapabilitiesAndOwnersSurvive(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives files away, and capabilities")
		return
	}
	// cap_net_bind_service, permitted and effective, as setcap writes it.
	capability := string([]byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	attribute := func(t *testing.T, path, name string) string {
		t.Helper()
		value := make([]byte, 64)
		n, err := unix.Getxattr(path, name, value)
		require.NoError(t, err, "%s of %s", name, path)
		return string(value[:n])
	}
	for name, test := range map[string]struct {
		owner     int
		mode      fs.FileMode
		directory bool
	}{
		"file of root":                 {0, 0o750, false},
		"file of another user":         {nobody, 0o750, false},
		"file that others may write":   {0, 0o666, false},
		"program that changes user":    {nobody, fs.ModeSetuid | fs.ModeSetgid | 0o750, false},
		"directory of root":            {0, 0o755, true},
		"directory of another user":    {nobody, 0o750, true},
		"directory that others change": {nobody, 0o777, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, func(c *file.Config) {
				if test.directory {
					c.Unpack, c.Unpacker = true, unpacker{}
				}
			})
			if test.directory {
				require.NoError(t, os.Remove(a.Path))
				require.NoError(t, os.Mkdir(a.Path, 0o700))
				a.content = bundles("1.1.0").Data[0]
				a.job = jobOf(bundles("1.1.0").Files[0])
			}
			require.NoError(t, os.Chown(a.Path, test.owner, test.owner))
			require.NoError(t, os.Chmod(a.Path, test.mode))
			require.NoError(t, unix.Setxattr(a.Path, "user.note", []byte("1"), 0))
			if !test.directory {
				require.NoError(t, unix.Setxattr(a.Path, "security.capability", []byte(capability), 0))
			}
			look := func() {
				t.Helper()
				all := []string{a.Path}
				if test.directory {
					all = append(all, filepath.Join(a.Path, "a"), filepath.Join(a.Path, "b"))
				}
				for _, path := range all {
					info, err := os.Lstat(path)
					require.NoError(t, err)
					stat := info.Sys().(*syscall.Stat_t)
					assert.EqualValues(t, test.owner, stat.Uid, path)
					assert.EqualValues(t, test.owner, stat.Gid, path)
				}
				info, err := os.Stat(a.Path)
				require.NoError(t, err)
				assert.Equal(t, test.mode, info.Mode()&^fs.ModeDir)
				assert.Equal(t, "1", attribute(t, a.Path, "user.note"))
				if !test.directory {
					assert.Equal(t, capability, attribute(t, a.Path, "security.capability"))
				}
			}
			a.upgrade(t)
			look()
			a.revert(t)
			a.upgrade(t)
			look()
			assert.Equal(t, "1.1.0", a.version(t))
		})
	}
}
