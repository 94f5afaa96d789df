package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/control"
	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// The agent is a component like any other: it replaces its own file, begins
// again as the new program under the same process id, and that one reports the
// success.
func TestAgentUpgradesItself(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	next := filepath.Join(t.TempDir(), "ota-agent")
	require.NoError(t, harness.BuildAgent(next, "2.0.0"))
	image, err := os.ReadFile(next)
	require.NoError(t, err)
	s.installAgent(harness.Settings{"path": "sbin/ota-agent", "restart": "process"})
	agent := s.device.Start()
	pid := agent.PID()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgraded, harness.Pack(t, "agent", "2.0.0", 1, image, nil, s.key))
	assert.Equal(t, succeeded, s.platform.Trail("p", "agent"))
	assert.Contains(t, harness.Run(t, s.device.Dir, s.device.Programs.Agent, "version").Out, "ota-agent 2.0.0 ")
	assert.Equal(t, 1, strings.Count(agent.Output(), "msg=\"agent started\" version=1.0.0"))
	assert.Equal(t, 1, strings.Count(agent.Output(), "msg=\"agent started\" version=2.0.0"))

	var status control.Status
	require.NoError(t, json.Unmarshal([]byte(s.device.Do("status", "--json").Out), &status))
	assert.Equal(t, "ota-agent/2.0.0", status.Agent)
	assert.Equal(t, pid, agent.PID())
	assert.True(t, agent.Running())
	assert.Equal(t, 0, agent.Stop())
}

// A new agent that is none is rolled back: by the old one, which begins again when
// it cannot start the new one, or by a command that tries the new one first.
func TestAgentThatDoesNotRunIsRolledBack(t *testing.T) {
	for _, test := range []struct {
		name  string
		after []string
		code  ota.Code
	}{
		{"found when it is started", nil, ota.BootFailed},
		{"found by a trial", []string{"sbin/ota-agent", "validate", "--config", "agent.yaml"}, ota.InstallerFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			own := harness.Settings{"path": "sbin/ota-agent", "restart": "process"}
			if test.after != nil {
				test.after[3] = s.device.Path(test.after[3])
				own["after"] = test.after
			}
			image := s.installAgent(own)
			agent := s.device.Start()
			for i, content := range []string{"no program", "\x7fELF neither"} {
				plan, target := fmt.Sprint("bad-", i), fmt.Sprint("1.1.", i)
				s.upgrade(harness.Plan{ID: plan}, ota.DeviceUpgradeFailed,
					harness.Pack(t, "agent", target, 1, []byte(content), nil, s.key))
				assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: "+string(test.code)),
					s.platform.Trail(plan, "agent"))
				assert.True(t, bytes.Equal(image, s.device.Read("sbin/ota-agent")), "the old program is there")
				assert.True(t, agent.Running())
			}
			s.upgrade(harness.Plan{ID: "good"}, ota.DeviceUpgraded, harness.Pack(t, "agent", "1.2.0", 2, image, nil, s.key))
			assert.Equal(t, succeeded, s.platform.Trail("good", "agent"))
			assert.Equal(t, 0, agent.Stop())
		})
	}
}

// installAgent makes the agent a component of its device, and the one that is
// started. It returns the program.
func (s *setting) installAgent(own harness.Settings) []byte {
	s.t.Helper()
	program, err := os.ReadFile(s.device.Programs.Agent)
	require.NoError(s.t, err)
	s.device.Write("sbin/ota-agent", program, 0o755)
	s.device.Programs.Agent = s.device.Path("sbin/ota-agent")
	s.device.Components(harness.FileComponent("agent", version, own))
	return program
}
