package firmwaretest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Dir is a directory for one test, in memory where there is such a file system:
// the suite syncs thousands of times, and what a power cut loses is the
// Breaker's affair. TMPDIR chooses another file system.
func Dir(t *testing.T) string {
	const memory = "/dev/shm"
	if os.Getenv("TMPDIR") != "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "firmwaretest-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}
