package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// TestPackagesFromInside: the platform of the tests is on this machine, where a
// device follows its configuration only.
func TestPackagesFromInside(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Settings["download"] = harness.Settings{"deny": []any{"127.0.0.0/8"}}
	s.device.Start()
	s.upgrade(harness.Plan{ID: "inside"}, ota.DeviceUpgradeFailed, s.pack("1.1.0", 1, "new"))
	assert.Equal(t,
		[]string{"plan_received", "upgrade_confirmed", "ready_to_download", "downloading", "download_failed: http_error"},
		s.platform.Trail("inside", "app"))
	assert.Contains(t, s.device.Do("history").Out, "private network")
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
}
