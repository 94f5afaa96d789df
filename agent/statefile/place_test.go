package statefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/statefile"
)

// impostors are what may have the name of a file and is none of the state files. None
// is written to, read as a state, or waited for.
var impostors = map[string]func(path string) error{
	"a directory":                   func(path string) error { return os.MkdirAll(filepath.Join(path, "in it"), 0o700) },
	"a pipe":                        func(path string) error { return syscall.Mkfifo(path, 0o600) },
	"a link to the other state":     func(path string) error { return os.Symlink("state.1", path) },
	"a link to nothing":             func(path string) error { return os.Symlink("nothing", path) },
	"a link out of the directory":   func(path string) error { return os.Symlink("/etc/passwd", path) },
	"a link that leads to itself":   func(path string) error { return os.Symlink(filepath.Base(path), path) },
	"a link to an absolute nowhere": func(path string) error { return os.Symlink("/nowhere/at/all", path) },
}

// TestSomethingElseInAStatesPlace: it is put aside, and the other state is used.
func TestSomethingElseInAStatesPlace(t *testing.T) {
	for name, put := range impostors {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := openState(statefile.Config{Dir: dir})
			require.NoError(t, err)
			_, err = s.Load()
			require.NoError(t, err)
			for n := range 4 { // the third is in state.1, the fourth in state.0
				require.NoError(t, s.Save(numbered(n+1)))
			}
			require.NoError(t, s.Close())
			require.NoError(t, os.Remove(filepath.Join(dir, "state.0")))
			require.NoError(t, put(filepath.Join(dir, "state.0")))

			again, state := loaded(t, statefile.Config{Dir: dir})
			assert.Equal(t, 3, number(state))
			require.Error(t, again.Health().Worn, "a state has been lost")
			info, err := os.Lstat(filepath.Join(dir, "state.0"))
			require.NoError(t, err)
			assert.True(t, info.Mode().IsRegular())
			_, err = os.Lstat(filepath.Join(dir, "state.0.corrupt-1"))
			require.NoError(t, err)
			require.NoError(t, again.Save(numbered(9)))
		})
	}
}

// TestSomethingElseInBothPlaces: a device that had a state differs from a new one.
func TestSomethingElseInBothPlaces(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"state.0", "state.1"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	s := open(t, statefile.Config{Dir: dir})
	_, err := s.Load()
	var damaged *statefile.Damaged
	require.True(t, errors.As(err, &damaged), "%v", err)
	require.NoError(t, s.Save(numbered(1)))
}

// TestSomethingElseInTheLocksPlace: nothing is written through it.
func TestSomethingElseInTheLocksPlace(t *testing.T) {
	for name, put := range impostors {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "lock")
			require.NoError(t, put(path))
			_, err := openState(statefile.Config{Dir: dir})
			require.ErrorContains(t, err, path+" is not a file: remove it")
		})
	}
}
