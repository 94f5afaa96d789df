package scenario_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWarnings holds the warnings of a valid document against the golden file
// beside it; -update writes them anew.
func TestWarnings(t *testing.T) {
	s, err := parseFile(t, "testdata/unwise/never.yaml")
	require.NoError(t, err)
	got := strings.Join(s.Warnings, "\n") + "\n"
	const golden = "testdata/unwise/never.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}
