package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// TestEnrolledAtHawkBit registers a fleet at a hawkBit, runs it there twice with the
// same targets, and takes it away again. Tokens that are not the targets' end a run
// before it begins.
func TestEnrolledAtHawkBit(t *testing.T) {
	t.Parallel()
	s := newStaging(t)
	enrol := func(more ...string) harness.Outcome {
		return harness.Run(t, s.dir, programs.Sim, append([]string{"enrol", "fleet.yaml", "--out", "staging", "--platform",
			"hawkbit", "--url", s.url, "--username", "admin", "--password-file", "password.txt"}, more...)...)
	}
	o := enrol()
	require.Equal(t, 0, o.Code, "%s\n%s", o.Out, o.Err)
	assert.Equal(t, 32, s.total("targets"))
	o = harness.Run(t, s.dir, programs.Sim, s.args("--devices", "staging/fleet.csv")...)
	require.Equal(t, 0, o.Code, "%s\n%s", o.Out, o.Err)
	assert.Equal(t, 32, s.total("targets"), "they were there before the run")
	assert.Zero(t, s.total("softwaremodules"))

	lines := filepath.Join(s.dir, "staging", "fleet.csv")
	text, err := os.ReadFile(lines)
	require.NoError(t, err)
	var wrong []string
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		fields := strings.Split(line, ",")
		if i > 0 {
			fields[3] = "guessed" + fields[0]
		}
		wrong = append(wrong, strings.Join(fields, ","))
	}
	require.True(t, strings.HasPrefix(wrong[0], "key,fleet,product,token,"))
	lines = filepath.Join(s.dir, "staging", "wrong.csv")
	require.NoError(t, os.WriteFile(lines, []byte(strings.Join(wrong, "\n")), 0o600))
	o = harness.Run(t, s.dir, programs.Sim, s.args("--devices", "staging/wrong.csv")...)
	assert.Equal(t, 4, o.Code, "%s\n%s", o.Out, o.Err)
	assert.Contains(t, o.Err, "none of 16 devices that tried gets in; gw-000001: hawkBit answers 401")
	require.NoError(t, os.Remove(lines))

	o = harness.Run(t, s.dir, programs.Sim, "enrol", "fleet.yaml", "--out", "staging", "--remove")
	assert.Equal(t, 2, o.Code)
	assert.Contains(t, o.Err, "the devices are registered, too: give --platform hawkbit --url "+s.url)
	o = enrol("--remove")
	require.Equal(t, 0, o.Code, "%s\n%s", o.Out, o.Err)
	s.isEmpty()
	assert.NoDirExists(t, filepath.Join(s.dir, "staging"))

	o = enrol("--password-file", "wrong.txt")
	assert.Equal(t, 4, o.Code, "%s\n%s", o.Out, o.Err)
	assert.NoDirExists(t, filepath.Join(s.dir, "staging"), "nothing was made")
}
