package e2e_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// A state file that is damaged while the agent is down, in the middle of an
// upgrade: one of the two costs a step at most, both cost the memory of the
// plan, which the platform gives again.
func TestDamagedState(t *testing.T) {
	for _, test := range []struct {
		name    string
		files   []string
		content []byte
		says    string
	}{
		{"the first", []string{"state.0"}, []byte("garbage"), "one of the two saved states cannot be read"},
		{"the second", []string{"state.1"}, []byte("garbage"), "one of the two saved states cannot be read"},
		{"the first is empty", []string{"state.0"}, nil, "connected to the broker"},
		{"both", []string{"state.0", "state.1"}, harness.Image(7, 4096), "the saved state is damaged"},
		{"both are empty", []string{"state.0", "state.1"}, nil, "the saved state is damaged"},
		{"the package's address", []string{"package-app.json"}, []byte(`{"plan"`),
			"a kept package address is damaged and dropped"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			s.device.Settings["download"] = harness.Settings{"rate_limit": "1MiB/s"}
			agent := s.device.Start()
			image := string(harness.Image(3, 1<<20))
			s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, image))
			harness.Await(t, "the download", func() bool { return slices.Contains(s.platform.Trail("p", "app"), "downloading") })
			agent.Kill()
			for _, name := range test.files {
				require.False(t, missing(s.device.Path("state/"+name)))
				s.device.Write("state/"+name, test.content, 0o600)
			}
			agent = s.device.Start()
			agent.AwaitOutput(test.says)
			s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
			assert.Equal(t, image, string(s.device.Read("app.bin")))

			agent.Kill()
			s.device.Settings["download"] = harness.Settings{}
			s.device.Start()
			s.upgrades("next", "1.2.0", 2)
		})
	}
}

// What the agent knew before a stop or a power cut, it knows after it.
func TestStateIsKept(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	agent := s.device.Start()
	s.upgrades("p", "1.1.0", 9)
	assert.Equal(t, 0, agent.Stop())
	for range 3 {
		agent = s.device.Start()
		agent.AwaitOutput("connected to the broker")
		status, ok := s.status()
		require.True(t, ok)
		assert.Equal(t, "1.1.0", status.Components[0].Version, "whatever the configuration says of the first version")
		assert.Equal(t, int64(9), status.Components[0].Release)
		agent.Kill()
	}
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"), "a start alone does nothing")
	s.device.Start()
	s.upgrade(harness.Plan{ID: "older"}, ota.DeviceUpgradeFailed, s.pack("1.0.5", 8, "older"))
	assert.Equal(t, refused(ota.DowngradeRefused), s.platform.Trail("older", "app"))
}
