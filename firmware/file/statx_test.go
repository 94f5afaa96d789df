package file_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware/file"
)

// The variables that make the test program one whose calls of statx end with an
// error, by its number, and that name the directory which it goes on in.
const (
	statxFails     = "OTA_STATX_FAILS"
	statxDirectory = "OTA_STATX_DIRECTORY"
)

// failStatx has the kernel answer every statx of this process with an error.
func failStatx(number string) error {
	failure, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the filter is for all threads; the right to set it is this one's
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_STATX},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(failure)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// statxApp is an application in dir, a file or a directory, that is not made yet.
func statxApp(t *testing.T, dir string) *app {
	a := &app{content: bundles("1.1.0").Data[0], job: jobOf(bundles("1.1.0").Files[0])}
	a.Config = file.Config{Path: filepath.Join(dir, "app"), Version: "1.0.0", StateDir: filepath.Join(dir, "state")}
	if strings.HasSuffix(dir, "directory") {
		a.Unpack, a.Unpacker = true, unpacker{}
	}
	a.restart(t)
	return a
}

// TestWithoutStatx has the second half of an upgrade, and a whole one, done where the
// kernel does not know statx, or a filter refuses it. What was noted with the times
// at which files were made holds without them, and the other way round.
func TestWithoutStatx(t *testing.T) {
	if number := os.Getenv(statxFails); number != "" {
		upgradeWithoutStatx(t, number)
		return
	}
	if _, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil {
		t.Log("the kernel filters no system calls")
		return
	}
	for _, failure := range []syscall.Errno{unix.ENOSYS, unix.EPERM} {
		for _, kind := range []string{"file", "directory"} {
			t.Run(unix.ErrnoName(failure)+", "+kind, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), kind)
				a := statxApp(t, dir)
				require.NoError(t, os.MkdirAll(filepath.Dir(a.Path), 0o755))
				live := a.Path
				if a.Unpack {
					require.NoError(t, os.Mkdir(a.Path, 0o755))
					live = filepath.Join(a.Path, "a")
				}
				require.NoError(t, os.WriteFile(live, []byte("the old one"), 0o640))
				a.fetch(t)
				require.NoError(t, a.installer.Stage(t.Context(), a.job))

				half := exec.Command("/proc/self/exe", "-test.run=^TestWithoutStatx$")
				half.Env = append(os.Environ(), fmt.Sprintf("%s=%d", statxFails, failure), statxDirectory+"="+dir)
				out, err := half.CombinedOutput()
				require.NoError(t, err, "%s", out)

				assert.Equal(t, "1.1.0", a.version(t))
				a.revert(t)
				assert.Equal(t, "1.0.0", a.version(t))
				content, err := os.ReadFile(live)
				require.NoError(t, err)
				assert.Equal(t, "the old one", string(content))
			})
		}
	}
}

// upgradeWithoutStatx goes on with what is staged, and begins anew.
func upgradeWithoutStatx(t *testing.T, number string) {
	err := unix.Statx(unix.AT_FDCWD, "/", 0, unix.STATX_BTIME, &unix.Statx_t{})
	var failure syscall.Errno
	require.ErrorAs(t, err, &failure)
	require.Equal(t, number, strconv.Itoa(int(failure)))

	a := statxApp(t, os.Getenv(statxDirectory))
	_, err = a.installer.Activate(t.Context(), a.job)
	require.NoError(t, err, "the staged version is the one that was verified")
	assert.Equal(t, "1.1.0", a.version(t))
	a.revert(t)
	assert.Equal(t, "1.0.0", a.version(t))
	a.upgrade(t)
	a.restart(t)
	assert.Equal(t, "1.1.0", a.version(t))

	// Another one in its place, of the same size and time, is not it.
	info, err := os.Stat(a.Path)
	require.NoError(t, err)
	aside := a.Path + "-aside"
	require.NoError(t, os.Rename(a.Path, aside))
	live := a.Path
	if a.Unpack {
		require.NoError(t, os.Mkdir(a.Path, info.Mode()))
		live = filepath.Join(a.Path, "a")
	}
	require.NoError(t, os.WriteFile(live, make([]byte, info.Size()), 0o640))
	require.NoError(t, os.Chtimes(a.Path, info.ModTime(), info.ModTime()))
	assert.Equal(t, "unknown", a.version(t))
	require.NoError(t, os.RemoveAll(a.Path))
	require.NoError(t, os.Rename(aside, a.Path))
	assert.Equal(t, "1.1.0", a.version(t))
}
