//go:build real

package bsdiff_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Debian's bsdiff and bspatch; TestPatchOfTheCommand has one of their patches.
func TestToolsUnderstandUsAndWeThem(t *testing.T) {
	for name, p := range pairs() {
		if len(p[0]) == 0 || len(p[1]) == 0 {
			continue // the command refuses empty files
		}
		dir := t.TempDir()
		old, new, made, got := filepath.Join(dir, "old"), filepath.Join(dir, "new"), filepath.Join(dir, "patch"),
			filepath.Join(dir, "got")
		require.NoError(t, os.WriteFile(old, p[0], 0o600))
		require.NoError(t, os.WriteFile(new, p[1], 0o600))
		require.NoError(t, exec.Command("bsdiff", old, new, made).Run(), name)
		theirs, err := os.ReadFile(made)
		require.NoError(t, err)
		result, err := apply(p[0], theirs)
		require.NoError(t, err, name)
		assert.True(t, bytes.Equal(p[1], result), "%s: a patch of the command gives something else", name)

		ours := patch(t, p[0], p[1])
		require.NoError(t, os.WriteFile(made, ours, 0o600))
		require.NoError(t, exec.Command("bspatch", old, got, made).Run(), name)
		result, err = os.ReadFile(got)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(p[1], result), "%s: the command gives something else of our patch", name)
		assert.Less(t, float64(len(ours)), 1.05*float64(len(theirs))+50, "%s: our patch is larger", name)
	}
}
