package history_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history"
)

// TestGather: records are found in a place, or directly below it, as they come, and other
// things there are left alone.
func TestGather(t *testing.T) {
	run, alone := t.TempDir(), shard(t, 3, 3, nil)
	part := func(i int) string { return filepath.Join(run, fmt.Sprint("part-", i)) }
	ended := func(g *history.Gathering, of int) (ended, begun, without int, err error) {
		found, places, err := g.Look(t.Context())
		require.NoError(t, err)
		ended, begun, err = history.Ended(found, of)
		return ended, begun, len(places), err
	}
	g := history.Gather(history.Dir(run), history.Dir(alone.Dir), history.Dir(filepath.Join(run, "absent")))
	require.NoError(t, os.WriteFile(filepath.Join(run, "notes.txt"), []byte("a file"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(run, "other", "deeper"), 0o700))
	for step, want := range [][3]int{{1, 1, 2}, {1, 2, 1}, {2, 2, 1}, {3, 3, 1}} {
		switch step {
		case 1:
			w, err := history.Create(t.Context(), history.Dir(part(1)), shard(t, 1, 3, nil).Info)
			require.NoError(t, err)
			require.NoError(t, w.Close(history.End{Interrupted: true}))
		case 2: // a link to what is complete
			require.NoError(t, os.RemoveAll(part(1)))
			require.NoError(t, os.Symlink(shard(t, 1, 3, nil).Dir, part(1)))
		case 3:
			require.NoError(t, os.CopyFS(part(2), os.DirFS(shard(t, 2, 3, nil).Dir)))
		}
		n, begun, without, err := ended(g, 3)
		require.NoError(t, err)
		assert.Equal(t, want, [3]int{n, begun, without}, "step %d", step)
	}
	_, _, _, err := ended(g, 4)
	require.ErrorContains(t, err, "is a shard of 3, and 4 are waited for")
	require.NoError(t, os.CopyFS(part(9), os.DirFS(shard(t, 2, 3, func(i *history.Info) { i.Seed = 43 }).Dir)))
	_, _, _, err = ended(g, 3)
	require.ErrorContains(t, err, "are not of one run")
	require.NoError(t, os.WriteFile(filepath.Join(part(9), "run.json"), []byte("{"), 0o600))
	_, _, err = history.Gather(history.Dir(run)).Look(t.Context())
	require.ErrorContains(t, err, filepath.Join(part(9), "run.json")+" is damaged")
}

// TestLostForGood: a shard in the real world that broke off is not waited for once that is
// known, and one that has not begun is.
func TestLostForGood(t *testing.T) {
	info := shard(t, 2, 2, nil).Info
	info.World = "real"
	waited := func(place history.Place) int {
		found, _, err := history.Gather(place).Look(t.Context())
		require.NoError(t, err)
		ended, _, err := history.Ended(found, 2)
		require.NoError(t, err)
		return 1 - ended
	}
	for name, tt := range map[string]struct {
		begins bool
		end    func(*history.Writer) error
		want   [2]int // waited for, before and after another process has come
	}{
		"killed":                  {true, killed, [2]int{1, 0}},
		"interrupted":             {true, interrupted, [2]int{0, 0}},
		"complete":                {true, complete, [2]int{0, 0}},
		"killed before it began":  {false, killed, [2]int{1, 1}},
		"interrupted before that": {false, interrupted, [2]int{1, 1}},
	} {
		place := history.Dir(t.TempDir())
		w, err := history.Create(t.Context(), place, info)
		require.NoError(t, err)
		if tt.begins {
			w.Begin(history.Start{})
		}
		require.NoError(t, tt.end(w))
		before := waited(place)
		_, err = history.NextTry(t.Context(), place, &info)
		assert.Equal(t, tt.want, [2]int{before, waited(place)}, "%s: %v", name, err)
		assert.Equal(t, name == "killed" || name == "interrupted", errors.Is(err, history.ErrBroken), name)
	}
}
