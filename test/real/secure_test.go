//go:build real

package real_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// TestFleetOverTLS runs a fleet through three reconnect storms over TLS, and none over a
// connection that another authority vouches for.
func TestFleetOverTLS(t *testing.T) {
	t.Parallel()
	certFile, keyFile := ca.issue(t, "broker")
	broker := startMosquitto(t, "allow_anonymous true", "certfile "+certFile, "keyfile "+keyFile)
	scenario, err := filepath.Abs("testdata/storm.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	args := []string{
		"run",
		scenario,
		"--broker",
		strings.Replace(broker.url(), "mqtt:", "mqtts:", 1),
		"--fake-platform",
		"--json",
		"verdict.json",
	}
	run := harness.Start(
		t,
		dir,
		programs.Sim,
		append(args, "--ca-file", ca.file, "--source-addresses", "127.0.0.2-127.0.0.5")...)
	assert.Zero(t, run.Wait(), run.Output())
	text, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
	require.NoError(t, err)
	var v verdict
	require.NoError(t, json.Unmarshal(text, &v))
	assert.True(t, v.Held)
	assert.Equal(t, v.Devices, v.Classes.All["upgraded"])
	assert.Greater(t, v.Resources.Sessions, 2*v.Devices, "the storm broke them")

	other, err := newAuthority(t.TempDir())
	require.NoError(t, err)
	refused := harness.Start(t, dir, programs.Sim, append(args, "--ca-file", other.file)...)
	assert.Equal(t, 4, refused.Wait())
	assert.Contains(t, refused.Output(), "name the certificate of who signed the broker's with --ca-file")
}
