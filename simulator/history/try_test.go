package history_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history"
)

// try begins a record of shard 2/2 in a directory, and ends it as end does.
func try(t *testing.T, dir string, end func(*history.Writer) error) {
	t.Helper()
	w, err := history.Create(t.Context(), history.Dir(dir), shardInfo(t))
	require.NoError(t, err)
	require.NoError(t, end(w))
}

func shardInfo(t *testing.T) history.Info { return shard(t, 2, 2, nil).Info }

func killed(w *history.Writer) error      { return w.Abandon() }
func interrupted(w *history.Writer) error { return w.Close(history.End{Interrupted: true}) }
func complete(w *history.Writer) error    { return w.Close(history.End{}) }

// TestTries: a shard that broke off is tried again below its directory, and whoever
// opens that gets the try that counts.
func TestTries(t *testing.T) {
	dir, info := t.TempDir(), shardInfo(t)
	for n, end := range []func(*history.Writer) error{killed, interrupted, killed, complete} {
		at := dir
		if n > 0 {
			next, err := history.NextTry(t.Context(), history.Dir(dir), &info)
			require.NoError(t, err)
			at = next.String()
			assert.Equal(t, filepath.Join(dir, []string{"", "try-2", "try-3", "try-4"}[n]), at)
		}
		try(t, at, end)
		r, err := history.Open(t.Context(), history.Dir(dir))
		require.NoError(t, err)
		assert.Equal(t, at, r.Dir, "the last one, and the complete one in the end")
		assert.Equal(t, n == 3, r.Complete())
	}
	_, err := history.NextTry(t.Context(), history.Dir(dir), &info)
	require.ErrorIs(t, err, history.ErrComplete)
	require.ErrorContains(t, err, filepath.Join(dir, "try-4"))
}

// TestNoTry: what is of another run, or of no run, is not tried again there.
func TestNoTry(t *testing.T) {
	dir := t.TempDir()
	info := shardInfo(t)
	_, err := history.NextTry(t.Context(), history.Dir(dir), &info)
	require.ErrorIs(t, err, fs.ErrNotExist)
	try(t, dir, killed)
	for want, change := range map[string]func(*history.Info){
		"has the seed 42 and this run has 43":  func(i *history.Info) { i.Seed++ },
		"has shard 2, and this run is 1":       func(i *history.Info) { i.Shard = 1 },
		"a number of shards of 2 and this run": func(i *history.Info) { i.Shards = 3 },
		"with other flags than this run":       func(i *history.Info) { i.Flags = []string{"--platform=hawkbit"} },
		"are not the same":                     func(i *history.Info) { i.Text = append(i.Text, '\n') },
	} {
		other := shardInfo(t)
		change(&other)
		_, err := history.NextTry(t.Context(), history.Dir(dir), &other)
		assert.ErrorContains(t, err, want)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "try-2"), 0o700))
	r, err := history.Open(t.Context(), history.Dir(dir))
	require.NoError(t, err, "a try that ended before it had begun")
	assert.Equal(t, dir, r.Dir)
	next, err := history.NextTry(t.Context(), history.Dir(dir), &info)
	require.NoError(t, err)
	assert.Equal(t, history.Dir(filepath.Join(dir, "try-3")), next)

	other := info
	other.Seed++
	w, err := history.Create(t.Context(), history.Dir(filepath.Join(dir, "try-2")), other)
	require.NoError(t, err)
	require.NoError(t, w.Close(history.End{}))
	_, err = history.Open(t.Context(), history.Dir(dir))
	assert.ErrorContains(t, err, "so they are not of one run")
}
