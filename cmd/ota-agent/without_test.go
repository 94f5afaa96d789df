//go:build noline || nohawkbit || noquecthing

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// refuses holds that validate and run refuse a configuration, whose first two lines are
// the product and the device, with the same problem.
func refuses(t *testing.T, rest, problem string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	require.NoError(t, os.WriteFile(path, []byte("product: gw-200\ndevice: gw-0001\n"+rest), 0o600))
	for _, verb := range []string{"validate", "run"} {
		var said bytes.Buffer
		code := program().Run(t.Context(), cli.Streams{Out: &said, Err: &said}, []string{verb, "--config", path})
		assert.Equal(t, cli.Usage, code)
		assert.Equal(t, "ota-agent "+verb+": the configuration is not valid:\n"+path+problem+"\n", said.String())
	}
}
