package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/cmd/ota-agent/config"
)

// The command of the configuration is the only way to restart the system, and the
// file of the configuration tells one start from another.
func TestRestartOfAnotherKind(t *testing.T) {
	boots := filepath.Join(t.TempDir(), "boot_id")
	system := config.System{RestartCommand: []string{"sh", "-c", `echo start >>"$0"`, boots}, BootIDFile: boots}
	assert.Contains(t, bootID(system), "pid-", "there is no name yet")
	require.NoError(t, reboot(t.Context(), system))
	assert.Equal(t, "start", bootID(system))
	require.NoError(t, reboot(t.Context(), system))
	assert.Equal(t, "start\nstart", bootID(system))

	system.RestartCommand = []string{"sh", "-c", "echo no >&2; exit 3"}
	require.EqualError(t, reboot(t.Context(), system), "sh -c echo no >&2; exit 3: exit code 3 no")
}

func TestSystemOfAFileWithMistakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	require.NoError(t, os.WriteFile(path, []byte("restart_command: [sh, -c, exit]\nboot_id_file: id\nunknown: 1\n"), 0o600))
	want := config.System{RestartCommand: []string{"sh", "-c", "exit"}, BootIDFile: filepath.Join(filepath.Dir(path), "id")}
	assert.Equal(t, want, config.SystemOf(path))
	assert.Zero(t, config.SystemOf(path+".none"))
}
