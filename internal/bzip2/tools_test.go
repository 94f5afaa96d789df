//go:build real

package bzip2_test

import (
	"bytes"
	"io"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bzip2"
)

// The bzip2 command writes blocks of its own making.
func TestToolsOutputIsRead(t *testing.T) {
	for name, text := range texts() {
		for _, level := range []string{"-1", "-9"} {
			run := exec.Command("bzip2", level)
			run.Stdin = bytes.NewReader(text)
			packed, err := run.Output()
			require.NoError(t, err)
			ours, err := io.ReadAll(open(packed, &bzip2.Space{}))
			require.NoError(t, err, name)
			assert.True(t, bytes.Equal(text, ours), "%s %s", name, level)
			assert.Less(t, float64(len(pack(t, int(level[1]-'0'), text))), 1.02*float64(len(packed))+20, "%s %s: ours is larger",
				name, level)
		}
	}
}
