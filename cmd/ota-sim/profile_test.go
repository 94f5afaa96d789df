package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// TestProfile is not parallel: what it looks at is the process's.
func TestProfile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "of", "run")
	o := sim(t, "run", "happy", "--virtual", "--quiet", "--profile", dir)
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	for name, begin := range map[string]string{"cpu.pprof": "\x1f\x8b", "heap.pprof": "\x1f\x8b",
		"goroutines.pprof": "\x1f\x8b", "trace.out": "go 1."} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, begin, string(text[:len(begin)]), name)
	}
}

// TestProfileNowhere refuses the run, before it begins.
func TestProfileNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	o := sim(t, "run", "happy", "--virtual", "--profile", filepath.Join(file, "dir"))
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.err, "cannot keep profiles")
	assert.Empty(t, o.out)
}
