package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// TestScenarioFromStandardInput is read by every verb that takes one.
func TestScenarioFromStandardInput(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"validate", "-"}, {"plan", "--virtual", "-"}, {"run", "--virtual", "--quiet", "-"}} {
		cmd := process(t, "", args...)
		cmd.Stdin = strings.NewReader(small)
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", args, text)
		assert.Contains(t, string(text), "3 devices")
	}
}

// TestValidateDirectory checks every scenario in it.
func TestValidateDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.Equal(t, cli.Usage, sim(t, "validate", dir).code, "an empty one is a mistake")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(small), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("nothing"), 0o600))
	o := sim(t, "validate", dir)
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "a.yaml: valid: 3 devices, 1 plan, 0 faults")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.yml"), []byte("scenario: b"), 0o600))
	assert.Equal(t, cli.Usage, sim(t, "validate", dir).code)
}
