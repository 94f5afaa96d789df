package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgramPages(t *testing.T) {
	t.Parallel()
	const program = "/opt/ota agent"
	begin, end, ok := programPages("00400000-0048c000 r-xp 00000000 08:01 1234   /opt/ota agent", program)
	assert.True(t, ok)
	assert.Equal(t, []uintptr{0x400000, 0x48c000}, []uintptr{begin, end})
	for name, line := range map[string]string{
		"what is written to":   "00400000-0048c000 rw-p 00000000 08:01 1234   /opt/ota agent",
		"another file":         "00400000-0048c000 r-xp 00000000 08:01 1234   /opt/ota",
		"no file":              "00400000-0048c000 r--p 00000000 00:00 0",
		"a program's old file": "00400000-0048c000 r-xp 00000000 08:01 1234   /opt/ota agent (deleted)",
		"nothing":              "00400000-00400000 r-xp 00000000 08:01 1234   /opt/ota agent",
		"no addresses":         "r-xp 00000000 08:01 1234   /opt/ota agent",
		"no number":            "x-0048c000 r-xp 00000000 08:01 1234   /opt/ota agent",
		"an empty line":        "",
	} {
		_, _, ok := programPages(line, program)
		assert.False(t, ok, name)
	}
}

// The program goes on by pages that come back.
func TestUnmapProgram(t *testing.T) {
	t.Parallel()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	path, err := os.Readlink("/proc/self/exe")
	require.NoError(t, err)
	assert.Contains(t, string(maps), path)
	unmapProgram()
	assert.NoError(t, os.WriteFile(t.TempDir()+"/file", maps, 0o600))
}
