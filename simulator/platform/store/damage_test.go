package store_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/store"
)

// TestDamage cuts a file at each of its pages, and writes zeros and noise over
// each: it opens as it was, or says that it is damaged, at once or when that is
// found. It never ends the program.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s := open(t, path)
	for i := range 40 {
		require.NoError(t, s.Commit([]engine.Record{{Key: fmt.Sprintf("a/%02d", i), Value: make([]byte, 700)}}))
	}
	require.NoError(t, s.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	page := os.Getpagesize()
	noise := make([]byte, page)
	_, _ = rand.Read(noise) // never fails
	found := 0
	for at := 0; at < len(whole); at += page {
		for name, content := range map[string][]byte{
			"cut":    whole[:at],
			"half":   whole[:at+page/2],
			"zeroed": append(append(append([]byte{}, whole[:at]...), make([]byte, page)...), whole[at+page:]...),
			"noise":  append(append(append([]byte{}, whole[:at]...), noise...), whole[at+page:]...),
			"head":   append(append(append([]byte{}, whole[:at]...), noise[:16]...), whole[at+16:]...),
		} {
			// Each in a file of its own: one on which bbolt has given up stays locked.
			path := filepath.Join(dir, fmt.Sprint(name, at))
			require.NoError(t, os.WriteFile(path, content, 0o600))
			if err := use(path); err != nil {
				found++
				require.ErrorIs(t, err, store.ErrDamaged, "%s at %d", name, at)
			}
		}
	}
	assert.Positive(t, found)
}

// use reads and writes all that a file has.
func use(path string) error {
	s, err := store.Open(path)
	if err != nil {
		return err
	}
	err = s.Each("", func(engine.Record) error { return nil })
	for first := range 2 { // the second goes on from the pages that the first has let go of
		var records []engine.Record
		for i := first; i < 10; i += 2 {
			records = append(records, engine.Record{Key: fmt.Sprintf("a/%02d", 3*i), Value: make([]byte, 5000)})
		}
		err = errors.Join(err, s.Commit(records))
	}
	return errors.Join(err, s.Close())
}

// TestNoFile: what is no file is not waited for, and stays.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	for name, put := range map[string]func(string) error{
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"pipe":      func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"circle":    func(p string) error { return os.Symlink(p, p) },
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, put(path))
		_, err := store.Open(path)
		require.ErrorIs(t, err, store.ErrDamaged, name)
		require.ErrorContains(t, err, path)
		_, err = os.Lstat(path)
		require.NoError(t, err)
	}
}
