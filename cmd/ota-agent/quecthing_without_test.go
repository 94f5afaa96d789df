//go:build noquecthing

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

// TestWithoutQuecThing: validate and run refuse the same.
func TestWithoutQuecThing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	require.NoError(t, os.WriteFile(path,
		[]byte("product: gw-200\ndevice: gw-0001\nplatform: {quecthing: {url: mqtts://ota.example.com}}\n"+
			"trust: {allow_unsigned: true}\ncomponents:\n- {id: app, type: module, installer: file, version: 1.0.0, file: "+
			"{path: app.bin}}\n"), 0o600))
	for _, verb := range []string{"validate", "run"} {
		var said bytes.Buffer
		code := program().Run(t.Context(), cli.Streams{Out: &said, Err: &said}, []string{verb, "--config", path})
		assert.Equal(t, cli.Usage, code)
		assert.Contains(t, said.String(),
			":3:29: platform.quecthing.url: this program was built without quecthing (tag noquecthing)\n")
	}
}
