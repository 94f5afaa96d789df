package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/store"
)

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func all(t *testing.T, s *store.Store, prefix string) string {
	t.Helper()
	var list []string
	require.NoError(t, s.Each(prefix, func(r engine.Record) error {
		list = append(list, r.Key+"="+string(r.Value))
		return nil
	}))
	return strings.Join(list, " ")
}

func TestRecordsStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	require.NoError(t, s.Commit([]engine.Record{
		{Key: "b/2", Value: []byte("two")}, {Key: "a/1", Value: []byte("one")}, {Key: "b/1", Value: []byte("three")},
	}))
	require.NoError(t, s.Commit(nil))
	require.NoError(t,
		s.Commit([]engine.Record{{Key: "b/1"}, {Key: "b/3"}, {Key: "b/1", Value: []byte("again")}, {Key: "a/1"}}))
	require.NoError(t, s.Close())

	s = open(t, path)
	assert.Equal(t, "b/1=again b/2=two", all(t, s, "b/"))
	assert.Empty(t, all(t, s, "a/"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	stop := errors.New("enough")
	assert.ErrorIs(t, s.Each("b/", func(engine.Record) error { return stop }), stop)
}

func TestAllOrNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	err := s.Commit([]engine.Record{{Key: "a", Value: []byte("1")}, {Key: "", Value: []byte("2")}})
	require.ErrorContains(t, err, "cannot keep the platform's state")
	assert.Empty(t, all(t, s, ""))
}

// TestOneProcess waits for the other one in a bubble, whose clock runs ahead.
func TestOneProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		open(t, path)
		_, err := store.Open(path)
		require.ErrorIs(t, err, store.ErrUsed)
		assert.ErrorContains(t, err, path)
	})
}

func TestNotAStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("something else ", 4000)), 0o600))
	_, err := store.Open(path)
	require.ErrorContains(t, err, "cannot open the state")
}
