package host_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/host"
)

// A slot that is larger than what the state's disk has free has space for a
// package of its size.
func TestSpaceIsThatOfTheLargestTarget(t *testing.T) {
	dir := t.TempDir()
	slots := [2]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	const large = 8 << 40 // a file with nothing in it
	for _, slot := range slots {
		require.NoError(t, os.WriteFile(slot, nil, 0o600))
		require.NoError(t, os.Truncate(slot, large))
	}
	app := []string{dir}
	absent := []string{filepath.Join(dir, "c"), dir}

	assert.Equal(t, int64(large), *host.Space{State: dir, Dirs: app, Slots: slots[:]}.Most())
	assert.Less(t, *host.Space{State: dir, Dirs: app, Slots: absent}.Most(), int64(large))
	assert.Positive(t, *host.Space{State: dir}.Most())
	assert.Nil(t, host.Space{State: filepath.Join(dir, "nowhere"), Slots: slots[:]}.Most())
}
