package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/cli"
)

// TestFullDisk is told, whatever the verdict.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	o := sim(t, "run", "--quiet", file(t, "small.yaml", small), "--json", "/dev/full")
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.err, "no space left")
}
