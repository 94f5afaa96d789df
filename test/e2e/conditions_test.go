package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// What a device asks for itself holds although the plan, which is not signed, asks
// for nothing; also behind a gateway, and for a package file.
func TestLeastConditions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.device.Write("capacity", []byte("20\n"), 0o644)
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	for i, test := range []struct {
		conditions harness.Settings
		reason     ota.Reason
		says       string
	}{
		{harness.Settings{"battery_file": "capacity", "min_battery": 30}, ota.ReasonBattery, "20 % < 30 %"},
		{harness.Settings{"rssi_command": []string{"echo", "-97"}, "min_rssi": -95}, ota.ReasonSignal, "-97 dBm < -95 dBm"},
		{harness.Settings{"space": "1TiB"}, ota.ReasonSpace, " too few"},
	} {
		s.device.Settings["conditions"] = test.conditions
		agent := s.device.Start()
		harness.Await(t, "the answer", func() bool { return len(s.platform.Decisions("p")) > i })
		assert.Equal(t, test.reason, s.platform.Decisions("p")[i].Reason)
		assert.Contains(t, s.platform.Decisions("p")[i].Detail, test.says)
		file := s.bundleFile("app.ota", "1.1.0", 1, "new", nil, s.key)
		for _, verb := range []string{"rehearse", "install"} {
			outcome := s.device.Do(verb, file)
			assert.Equal(t, 4, outcome.Code, "%s, %s", verb, test.reason)
			assert.Contains(t, outcome.Err, test.says)
		}
		assert.Equal(t, 0, agent.Stop())
	}
	s.behind("valve", "valve-1")
	s.subs[0]["conditions"] = harness.Settings{"battery_file": "capacity", "min_battery": 30}
	delete(s.device.Settings, "conditions")
	s.device.Start()
	s.platform.Offer(harness.Plan{ID: "valve"}, s.firmware("valve", "1.1.0", 1, []byte("image")))
	assert.Equal(t, ota.ReasonBattery, s.platform.AwaitDecision("valve").Reason)
	s.device.Write("capacity", []byte("40\n"), 0o644)
	s.device.Do("check", "--device", "valve-1")
	s.platform.AwaitDevice("valve", "valve-1", ota.DeviceUpgraded)
}
