//go:build real

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestToolsFindTheManualPageClean: those that show it to people have no complaint.
func TestToolsFindTheManualPageClean(t *testing.T) {
	for _, judge := range [][]string{
		{"mandoc", "-T", "lint", "-W", "warning"},
		{"groff", "-man", "-T", "utf8", "-ww", "-z"},
	} {
		out, err := exec.Command(judge[0], append(judge[1:], manual)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Empty(t, strings.TrimSpace(string(out)), judge[0])
	}
}
