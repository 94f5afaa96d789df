package history_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history"
)

// TestFullDisk: Close says that an event could not be written.
func TestFullDisk(t *testing.T) {
	s, info := sample()
	dir := t.TempDir()
	events := filepath.Join(dir, "events.jsonl.zst")
	require.NoError(t, os.Symlink("/dev/full", events))
	w, err := history.Create(t.Context(), history.Dir(dir), info)
	require.NoError(t, err)
	write(s, everyone, w)
	err = w.Close(history.End{})
	require.ErrorContains(t, err, "cannot record the run")
	require.NoError(t, os.Remove(events))
	require.NoError(t, os.WriteFile(events, nil, 0o600)) // as a full disk leaves it
	r, err := history.Open(t.Context(), history.Dir(dir))
	require.NoError(t, err)
	assert.Nil(t, r.End, "what was not written whole has no end")
	v, err := history.Judge(t.Context(), r)
	require.NoError(t, err)
	assert.False(t, v.Held)
	last := v.Expectations[len(v.Expectations)-1]
	assert.Equal(t, "the history is complete", last.Name)
	assert.Contains(t, last.Measured, "history incomplete: write ")
	assert.Contains(t, last.Measured, "no space left on device")
}
