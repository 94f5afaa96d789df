package host_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/host"
)

// The command of the configuration is the only way to restart the system, and the
// file of the configuration tells one start from another.
func TestRestartOfAnotherKind(t *testing.T) {
	boots := filepath.Join(t.TempDir(), "boot_id")
	system := host.System{RestartCommand: []string{"sh", "-c", `echo start >>"$0"`, boots}, BootIDFile: boots}
	assert.Contains(t, system.BootID(), "pid-", "there is no name yet")
	require.NoError(t, system.Reboot(t.Context()))
	assert.Equal(t, "start", system.BootID())
	require.NoError(t, system.Reboot(t.Context()))
	assert.Equal(t, "start\nstart", system.BootID())

	system.RestartCommand = []string{"sh", "-c", "echo no >&2; exit 3"}
	require.EqualError(t, system.Reboot(t.Context()), "sh -c echo no >&2; exit 3: exit code 3 no")
}
