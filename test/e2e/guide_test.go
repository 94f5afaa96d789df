package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// What README.md lets its reader do on a device works as it says, and so does
// the version that is rolled back.
func TestGuide(t *testing.T) {
	t.Parallel()
	address := harness.FreeAddress(t)
	g := harness.NewGuide(t, programs, "../..", address, "--listen", address, "--store-listen", "127.0.0.1:0")
	g.Follow()

	require.Zero(t, g.Platform.Stop())
	g.Sh(`echo broken >out/app.bin
		bin/ota-sim pack --key out/release.key --product gw-200 --component app --target 1.2.0 --release 3 \
			--out out/app-1.2.0.ota out/app.bin`)
	g.Serve("bin/ota-sim platform --retries 0 --plan plan-2 --upgrade out/app-1.2.0.ota")
	g.Platform.AwaitOutput("Upgrade Failed: health_check_failed")
	live, err := os.ReadFile(filepath.Join(g.Dir, "out/device/app.bin"))
	require.NoError(t, err)
	assert.Equal(t, "app 1.1.0\n", string(live))
	assert.Zero(t, g.Agent.Stop())
}
