package files_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/files"
)

const limit = 100

// TestRead puts all kinds of things at a path. Nothing is waited for, and no more
// is read than the limit.
func TestRead(t *testing.T) {
	for name, test := range map[string]struct {
		put   func(path string) error
		want  string
		fails error // nil for none
	}{
		"a file":        {func(p string) error { return os.WriteFile(p, []byte("text"), 0o600) }, "text", nil},
		"an empty file": {func(p string) error { return os.WriteFile(p, nil, 0o600) }, "", nil},
		"a file at the limit": {func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("x", limit)), 0o600) },
			strings.Repeat("x", limit), nil},
		"a file beyond it": {func(p string) error { return os.WriteFile(p, make([]byte, limit+1), 0o600) }, "",
			files.ErrTooLong},
		"a sparse one":      {sparse, "", files.ErrTooLong},
		"nothing":           {func(string) error { return nil }, "", fs.ErrNotExist},
		"a directory":       {func(p string) error { return os.Mkdir(p, 0o700) }, "", files.ErrNotFile},
		"a pipe":            {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "", files.ErrNotFile},
		"a socket":          {listen, "", files.ErrNotFile},
		"a device":          {func(p string) error { return os.Symlink("/dev/zero", p) }, "", files.ErrNotFile},
		"a link to nothing": {func(p string) error { return os.Symlink("nothing", p) }, "", fs.ErrNotExist},
		"links in a circle": {func(p string) error { return os.Symlink(p, p) }, "", files.ErrNotFile},
		"a link to a pipe":  {linkTo(func(p string) error { return syscall.Mkfifo(p, 0o600) }), "", files.ErrNotFile},
		"a link to a file": {linkTo(func(p string) error { return os.WriteFile(p, []byte("there"), 0o600) }), "there",
			nil},
		"a file of the kernel": {func(p string) error { return os.Symlink("/proc/sys/kernel/ostype", p) }, "Linux\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			require.NoError(t, test.put(path))
			data, err := files.Read(path, limit)
			if test.fails != nil {
				require.ErrorIs(t, err, test.fails)
				assert.ErrorContains(t, err, path)
				assert.Equal(t, !errors.Is(err, fs.ErrNotExist), files.NoFile(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, string(data))
		})
	}
}

func linkTo(put func(path string) error) func(path string) error {
	return func(path string) error {
		if err := put(path + "-target"); err != nil {
			return err
		}
		return os.Symlink(path+"-target", path)
	}
}

// sparse makes a file that is longer than any memory.
func sparse(path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 1<<40)
}

func listen(path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}
