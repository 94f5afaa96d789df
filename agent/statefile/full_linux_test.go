//go:build real

package statefile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/statefile"
)

// TestToolsFullFileSystem saves on a real file system without a free block, which
// only root can make.
func TestToolsFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"))
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, 0)) })

	s, _ := loaded(t, statefile.Config{Dir: dir, Reserve: 64 << 10})
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	require.NoError(t, err)
	for err == nil {
		_, err = ballast.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, ballast.Close())

	for n := range 10 {
		require.NoError(t, s.Save(numbered(n)))
	}
	assert.ErrorIs(t, s.KeepPackage(packageFor("app", 1)), syscall.ENOSPC)
	require.NoError(t, s.Close())
	_, state := loaded(t, statefile.Config{Dir: dir})
	assert.Equal(t, 9, number(state))
}
