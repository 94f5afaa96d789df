package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/cmd/ota-agent/config"
)

// A slot that is larger than what the state's disk has free is room enough for a
// package of its size.
func TestRoomIsThatOfTheLargestPlace(t *testing.T) {
	dir := t.TempDir()
	slots := [2]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	const large = 8 << 40 // a file with nothing in it
	for _, slot := range slots {
		require.NoError(t, os.WriteFile(slot, nil, 0o600))
		require.NoError(t, os.Truncate(slot, large))
	}
	file := config.Component{File: &config.FileInstaller{Path: filepath.Join(dir, "app.bin")}}
	system := config.Component{Slot: &config.SlotInstaller{Devices: slots}}
	absent := config.Component{Slot: &config.SlotInstaller{Devices: [2]string{filepath.Join(dir, "c"), dir}}}

	assert.Equal(t, int64(large), *newRoom(dir, []config.Component{file, system}).most())
	assert.Less(t, *newRoom(dir, []config.Component{file, absent}).most(), int64(large))
	assert.Positive(t, *newRoom(dir, nil).most())
	assert.Nil(t, newRoom(filepath.Join(dir, "nowhere"), []config.Component{system}).most())
}
