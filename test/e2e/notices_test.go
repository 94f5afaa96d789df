package e2e_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNotices prints the licences of what the programs contain: every module that
// is built in, each with a text.
func TestNotices(t *testing.T) {
	for _, program := range []string{programs.Agent, programs.Sim} {
		printed, err := exec.Command("../../scripts/notices.sh", program).Output()
		require.NoError(t, err)
		modules, err := exec.Command("go", "version", "-m", program).Output()
		require.NoError(t, err)
		for line := range strings.Lines(string(modules)) {
			if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "dep" {
				assert.Contains(t, string(printed), "https://pkg.go.dev/"+fields[1]+"@"+fields[2])
			}
		}
		for _, text := range []string{"Eclipse Public License - v 2.0", "Mozilla Public License",
			"Copyright 2009 The Go Authors"} {
			assert.Contains(t, string(printed), text)
		}
	}
}
