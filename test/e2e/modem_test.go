package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware/modem/modemtest"
	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// A module is given its package, restarts with its port gone, and is found to
// run the target; one that refuses the package runs what it ran.
func TestModem(t *testing.T) {
	for name, test := range map[string]struct {
		code int
		end  ota.DeviceStatus
		last string
		runs string
	}{
		"good":    {0, ota.DeviceUpgraded, "upgrade_succeeded", "R2"},
		"refused": {504, ota.DeviceUpgradeFailed, "upgrade_failed: installer_failed", "R1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			module := modemtest.New(s.device.Path("tty"), []byte("R1\nold"))
			module.Vanishes, module.Code = true, test.code
			require.NoError(t, module.Plug())
			t.Cleanup(module.Close)
			s.device.Components(harness.Settings{"id": "modem", "type": "module", "installer": "modem",
				"modem": harness.Settings{"port": "tty", "profile": "quectel", "tries": 1, "start_timeout": "30s"}})
			s.device.Start()
			content := append([]byte("R2\n"), harness.Image(9, 30_000)...)
			s.upgrade(harness.Plan{ID: "p"}, test.end, harness.Pack(t, "modem", "R2", 1, content, nil, s.key))
			assert.Equal(t, trail("download_succeeded", "upgrading", test.last), s.platform.Trail("p", "modem"))
			last := s.platform.Reports("p")
			assert.Equal(t, test.runs, last[len(last)-1].Version)
			assert.Equal(t, test.runs+"\n", string(module.Live()[:3]))
		})
	}
}
