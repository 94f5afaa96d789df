package e2e_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// readByAgent is a component that the agent reads at its start.
type readByAgent struct {
	path   string // of the component
	unpack bool
	bad    func(*setting) []byte
	good   func(*setting) []byte
	says   string // of the bad one
}

func componentsReadByAgent(t *testing.T) map[string]readByAgent {
	return map[string]readByAgent{
		"key": {"release.pub", false, text("no key"), func(s *setting) []byte { return s.key.Public(t) }, "trust.keys"},
		"configuration": {"agent.yaml", false, text("product: [gw-200"), func(s *setting) []byte {
			return configuration(t, s)
		}, "agent.yaml"},
		"configuration with an unknown key": {"agent.yaml", false, func(s *setting) []byte {
			return bytes.Replace(configuration(t, s), []byte(`"trust"`), []byte(`"new_in_2":1,"trust"`), 1)
		}, func(s *setting) []byte { return configuration(t, s) }, "new_in_2"},
		"directory": {"etc", true, func(s *setting) []byte {
			return archive(t, map[string][]byte{"extra.pub": []byte("no key")})
		}, func(s *setting) []byte {
			return archive(t, map[string][]byte{"extra.pub": harness.NewKey(t).Public(t)})
		}, "trust.keys"},
	}
}

func text(s string) func(*setting) []byte { return func(*setting) []byte { return []byte(s) } }

func configuration(t *testing.T, s *setting) []byte {
	content, err := json.Marshal(s.device.Settings)
	require.NoError(t, err)
	return content
}

func archive(t *testing.T, files map[string][]byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err := w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// offers makes the component the device's only one, and gives what packs versions.
func (r readByAgent) offers(t *testing.T, s *setting,
	more harness.Settings) func(target string, release int64, content []byte) *harness.Package {
	own := harness.Settings{"path": r.path, "unpack": r.unpack, "restart": "process"}
	maps.Copy(own, more)
	s.device.Write("etc/extra.pub", harness.NewKey(t).Public(t), 0o644)
	s.device.Settings["trust"] = harness.Settings{"keys": []string{"release.pub", "etc/extra.pub"}}
	s.device.Components(harness.FileComponent("conf", "1.0.0", own))
	return func(target string, release int64, content []byte) *harness.Package {
		return harness.Pack(t, "conf", target, release, content, func(m *ota.Manifest) {
			if r.unpack {
				m.Files[0].Name = "conf.tar"
			}
		}, s.key)
	}
}

// failure is the detail of the failure that ended a plan.
func (s *setting) failure(plan string) string {
	s.t.Helper()
	reports := s.platform.Reports(plan)
	last := reports[len(reports)-1]
	require.NotNil(s.t, last.Failure)
	return last.Failure.Detail
}

// What the agent itself reads is looked at before the switch, without a word in
// the configuration.
func TestBadFileOfTheAgentIsRefused(t *testing.T) {
	for name, test := range componentsReadByAgent(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			pack := test.offers(t, s, nil)
			agent := s.device.Start()
			s.upgrade(harness.Plan{ID: "bad"}, ota.DeviceUpgradeFailed, pack("1.1.0", 1, test.bad(s)))
			assert.Equal(t, trail("download_succeeded", "upgrade_failed: installer_failed"), s.platform.Trail("bad", "conf"))
			assert.Contains(t, s.failure("bad"), test.says)
			s.upgrade(harness.Plan{ID: "good"}, ota.DeviceUpgraded, pack("1.2.0", 2, test.good(s)))
			assert.Equal(t, 2, bytes.Count([]byte(agent.Output()), []byte("agent started")))
			assert.Equal(t, 0, agent.Stop())
		})
	}
}

// Where it gets past the check all the same, an agent that cannot start with it
// takes it back, whatever starts it: the device is never left without an agent.
func TestBadFileOfTheAgentIsRolledBack(t *testing.T) {
	for name, test := range componentsReadByAgent(t) {
		for _, launched := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSetting(t)
				pack := test.offers(t, s, harness.Settings{"check": []string{"true"}})
				agent := s.device.Start
				if launched {
					agent = func() *harness.Process { return s.launch(s.device.Programs.Agent) }
				}
				running := agent()
				s.upgrade(harness.Plan{ID: "bad"}, ota.DeviceUpgradeFailed, pack("1.1.0", 1, test.bad(s)))
				assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: boot_failed"),
					s.platform.Trail("bad", "conf"))
				assert.Contains(t, s.failure("bad"), "could not start with the new version")
				assert.Contains(t, s.failure("bad"), test.says)
				assert.True(t, running.Running(), "under the same process id")
				s.upgrade(harness.Plan{ID: "good"}, ota.DeviceUpgraded, pack("1.2.0", 2, test.good(s)))
				assert.Empty(t, s.platform.Faults("bad"))
				assert.Equal(t, 0, running.Stop())
				assert.True(t, missing(s.device.Path(test.path+".ota-trial")))
			})
		}
	}
}
