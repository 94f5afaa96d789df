//go:build noline

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

// A check of a configuration says what a run would say.
func TestWithoutLines(t *testing.T) {
	for installer, settings := range map[string]string{
		"serial": "{port: tty0, protocol: smp}",
		"modem":  "{port: tty0, profile: quectel}",
	} {
		path := filepath.Join(t.TempDir(), "agent.yaml")
		require.NoError(t,
			os.WriteFile(path,
				[]byte("product: gw-200\ndevice: gw-0001\nbroker: {urls: [mqtts://ota.example.com]}\ntrust: {allow_unsigned: "+
					"true}\n"+
					"components:\n- {id: radio, type: module, installer: "+installer+", "+installer+": "+settings+"}\n"), 0o600))
		for _, verb := range []string{"validate", "run"} {
			var said bytes.Buffer
			code := program().Run(t.Context(), cli.Streams{Out: &said, Err: &said}, []string{verb, "--config", path})
			assert.Equal(t, cli.Usage, code)
			assert.Equal(t, "ota-agent "+verb+": the configuration is not valid:\n"+path+
				":6:40: components[0].installer: this program was built without serial and modem components (tag noline)\n",
				said.String())
		}
	}
}
