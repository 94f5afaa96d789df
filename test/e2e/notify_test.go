package e2e_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// A service manager hears that the agent is ready, that it lives, and that it
// stops.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Components(harness.FileComponent("app", version, nil))
	s.device.Write("app.bin", []byte("old"), 0o644)
	s.device.Configure()
	socket := filepath.Join(s.device.Dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer conn.Close()
	heard := func() string {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(harness.Patience)))
		message := make([]byte, 4096)
		n, err := conn.Read(message)
		require.NoError(t, err)
		return string(message[:n])
	}

	agent := harness.Start(t, s.device.Dir, "/usr/bin/env", "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=300000",
		s.device.Programs.Agent, "run", "--config", s.device.Path("agent.yaml"))
	assert.Equal(t, "READY=1", heard())
	assert.Equal(t, 0, s.device.Do("status").Code)
	for range 3 {
		assert.True(t, strings.HasPrefix(heard(), "WATCHDOG=1\nSTATUS="))
	}
	assert.Equal(t, 0, agent.Stop())
	last := heard()
	for strings.HasPrefix(last, "WATCHDOG=1") { // sent before it was asked to stop
		last = heard()
	}
	assert.Equal(t, "STOPPING=1", last)
}
