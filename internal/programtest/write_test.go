package programtest_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/programtest"
)

// Programs that are written and run by many at a time.
func TestProgramsRunAtOnce(t *testing.T) {
	long := strings.Repeat("# so that it takes a while to write\n", 10_000)
	for i := range 16 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for n := range 20 {
				path := filepath.Join(t.TempDir(), "program")
				programtest.Write(t, path, []byte("#!/bin/sh\necho $1\nexit 0\n"+long), 0o700)
				out, err := exec.Command(path, fmt.Sprint(n)).CombinedOutput()
				require.NoError(t, err, "%s", out)
				require.Equal(t, fmt.Sprintln(n), string(out))
			}
		})
	}
}
