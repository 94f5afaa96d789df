package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

func TestUnhealthyVersionIsRolledBack(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	// The application says of itself whether it is healthy.
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if content, err := os.ReadFile(s.device.Path("app.bin")); err != nil || string(content) == "broken" {
			http.Error(w, "not well", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(app.Close)
	s.device.Settings["health"] = []harness.Settings{{"command": []string{"true"}}, {"http": app.URL + "/healthz"}}
	s.device.Start()
	s.upgrade(harness.Plan{ID: "bad"}, ota.DeviceUpgradeFailed, s.pack("1.1.0", 1, "broken"))
	assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: health_check_failed"),
		s.platform.Trail("bad", "app"))
	last := s.platform.Reports("bad")
	assert.Contains(t, last[len(last)-1].Failure.Detail, "503 Service Unavailable")
	assert.Equal(t, "1.0.0", last[len(last)-1].Version, "the failure is reported when the old version runs again")
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
	s.upgrades("good", "1.2.0", 2)
}

// A handler that fails is called for revert, in whatever verb it failed.
func TestHandlerFails(t *testing.T) {
	for _, test := range []struct {
		verb  string
		trail []string
		trace []string
	}{
		{"stage", trail("download_succeeded", "upgrade_failed: installer_failed"), []string{"stage 1.1.0", "revert 1.1.0"}},
		{"activate", trail("download_succeeded", "upgrading", "upgrade_failed: installer_failed"),
			[]string{"stage 1.1.0", "activate 1.1.0", "revert 1.1.0"}},
		{"confirm", trail("download_succeeded", "upgrading", "upgrade_failed: installer_failed"),
			[]string{"stage 1.1.0", "activate 1.1.0", "confirm 1.1.0", "revert 1.1.0"}},
	} {
		t.Run(test.verb, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			s.device.Components(s.addHandler("motor"))
			s.does("motor", "fail-"+test.verb)
			s.device.Start()
			s.upgrade(harness.Plan{ID: "bad"}, ota.DeviceUpgradeFailed, s.packMCU("motor", "1.1.0", 1))
			assert.Equal(t, test.trail, s.platform.Trail("bad", "motor"))
			assert.Equal(t, test.trace, s.trace("motor"))
			last := s.platform.Reports("bad")
			assert.Contains(t, last[len(last)-1].Failure.Detail, "asked to fail at "+test.verb,
				"the handler's own words are the detail")
			assert.Equal(t, "1.0.0\n", string(s.device.Read("motor/version")))

			assert.NoError(t, os.Remove(s.device.Path("motor/fail-"+test.verb)))
			s.upgrade(harness.Plan{ID: "good"}, ota.DeviceUpgraded, s.packMCU("motor", "1.2.0", 2))
			assert.Equal(t, "1.2.0\n", string(s.device.Read("motor/version")))
			assert.Equal(t, "image of 1.2.0", string(s.device.Read("motor/staged")))
		})
	}
}

func TestHandlerAsksToBeCalledAgain(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Components(s.addHandler("motor"))
	s.does("motor", "later-stage", "later-activate")
	s.device.Start()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgraded, s.packMCU("motor", "1.1.0", 1))
	assert.Equal(t, succeeded, s.platform.Trail("p", "motor"))
	assert.Equal(t, []string{"stage 1.1.0", "stage 1.1.0", "activate 1.1.0", "activate 1.1.0", "confirm 1.1.0"},
		s.trace("motor"))
}

// The platform tries a failed component again by itself, and the device does
// with what it has been given anew.
func TestRetryOfThePlatform(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Components(s.addHandler("motor"), harness.FileComponent("app", "1.0.0", nil))
	s.does("motor", "once-activate")
	s.device.Start()
	s.upgrade(harness.Plan{ID: "p", Retries: 2}, ota.DeviceUpgraded, s.packMCU("motor", "1.1.0", 1),
		s.pack("1.1.0", 1, "new"))
	again := []string{"ready_to_download", "downloading", "download_succeeded", "upgrading", "upgrade_succeeded"}
	assert.Equal(t, append(trail("download_succeeded", "upgrading", "upgrade_failed: installer_failed"), again...),
		s.platform.Trail("p", "motor"))
	assert.Equal(t, append([]string{"plan_received", "upgrade_confirmed", "upgrade_failed: skipped"}, again...),
		s.platform.Trail("p", "app"))
	assert.Equal(t, "new", string(s.device.Read("app.bin")))
	assert.Empty(t, s.platform.Faults("p"))
}

// What a failed component means for the others is what the plan says.
func TestOneOfThreeComponentsFails(t *testing.T) {
	for _, test := range []struct {
		mode  ota.OnFailure
		first []string
		last  []string
		live  string // what the first component runs in the end
	}{
		{ota.Stop, succeeded, refused(ota.Skipped), "new"},
		{ota.Continue, succeeded, succeeded, "new"},
		{ota.Revert, trail("download_succeeded", "upgrading", "upgrade_succeeded", "upgrade_failed: reverted"),
			refused(ota.Skipped), "old"},
	} {
		t.Run(string(test.mode), func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			s.device.Components(harness.FileComponent("app", "1.0.0", nil), s.addHandler("motor"), s.addHandler("pump"))
			s.does("motor", "fail-activate")
			s.device.Start()
			s.upgrade(harness.Plan{ID: "p", OnFailure: test.mode}, ota.DeviceUpgradeFailed,
				s.pack("1.1.0", 1, "new"), s.packMCU("motor", "1.1.0", 1), s.packMCU("pump", "1.1.0", 1))
			s.awaitTrail("p", "app", test.first)
			assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: installer_failed"),
				s.platform.Trail("p", "motor"))
			assert.Equal(t, test.last, s.platform.Trail("p", "pump"))
			assert.Equal(t, test.live, string(s.device.Read("app.bin")))
			assert.Equal(t, "1.0.0\n", string(s.device.Read("motor/version")))
			assert.Empty(t, s.platform.Faults("p"))
		})
	}
}

// Two components whose health is one: when the second makes the device sick,
// the first is rolled back with it.
func TestUnhealthyPairIsRolledBackTogether(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Components(harness.FileComponent("app", "1.0.0", nil), harness.FileComponent("web", "1.0.0", nil))
	s.device.Write("web.bin", []byte("old web"), 0o644)
	s.device.Settings["health"] = []harness.Settings{
		{"command": []string{"sh", "-c", "! grep broken " + s.device.Path("web.bin")}},
	}
	s.device.Start()
	web := harness.Pack(t, "web", "1.1.0", 1, []byte("broken"), nil, s.key)
	s.upgrade(harness.Plan{ID: "p", OnFailure: ota.Revert}, ota.DeviceUpgradeFailed, s.pack("1.1.0", 1, "new"), web)
	s.awaitTrail("p", "app", trail("download_succeeded", "upgrading", "upgrade_succeeded", "upgrade_failed: reverted"))
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
	assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: health_check_failed"),
		s.platform.Trail("p", "web"))
	assert.Equal(t, "old web", string(s.device.Read("web.bin")))
}
