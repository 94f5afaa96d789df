package e2e_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// unread is a pipe that nothing reads any more.
func unread(t *testing.T) *os.File {
	t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	t.Cleanup(func() { writer.Close() })
	return writer
}

// An agent whose log has lost its reader goes on: it answers, and upgrades the
// device, until it is stopped.
func TestLogWithoutReader(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Configure()
	agent := exec.Command(programs.Agent, "run", "--config", s.device.Path("agent.yaml"))
	agent.Dir, agent.Stdout, agent.Stderr = s.device.Dir, unread(t), unread(t)
	require.NoError(t, agent.Start())
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	t.Cleanup(func() { _ = agent.Process.Kill() }) // it may have ended by itself
	running := func() {
		t.Helper()
		select {
		case err := <-ended:
			require.FailNow(t, "the agent has ended", "%v", err)
		default:
		}
	}

	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	harness.Await(t, "the upgrade", func() bool {
		running()
		return s.platform.Status("p", s.device) == ota.DeviceUpgraded
	})
	assert.Equal(t, "new", string(s.device.Read("app.bin")))
	status := s.device.Do("status")
	assert.Equal(t, 0, status.Code, status.Err)
	assert.Regexp(t, `app +module +1\.1\.0 +1`, status.Out)
	require.NoError(t, agent.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, <-ended)
}
