package e2e_test

import (
	_ "embed"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

//go:embed testdata/handler.sh
var handler []byte

// setting is what most tests play in: a platform and a device that has one file
// component, app, with version 1.0.0 and the content "old".
type setting struct {
	t        *testing.T
	platform *harness.Platform
	device   *harness.Device
	key      harness.Key
}

func newSetting(t *testing.T) *setting {
	t.Helper()
	s := &setting{t: t, platform: harness.StartPlatform(t, platform.Config{}), key: harness.NewKey(t)}
	s.device = harness.NewDevice(t, programs, s.platform.BrokerURL(), s.key)
	s.device.Components(harness.FileComponent("app", "1.0.0", nil))
	s.device.Write("app.bin", []byte("old"), 0o755)
	return s
}

// addHandler puts a component with the test's handler onto the device.
func (s *setting) addHandler(id string) harness.Settings {
	s.device.Write(id+"/handler", handler, 0o755)
	s.device.Write(id+"/version", []byte("1.0.0\n"), 0o644)
	return harness.CommandComponent(id, id+"/handler")
}

// does makes the handler of a component do as a file says: "fail-stage".
func (s *setting) does(id string, files ...string) {
	for _, file := range files {
		s.device.Write(id+"/"+file, nil, 0o644)
	}
}

// trace is what the handler of a component was asked.
func (s *setting) trace(id string) []string {
	return strings.Split(strings.TrimSpace(string(s.device.Read(id+"/trace"))), "\n")
}

// pack signs a package of app with the key that the device trusts.
func (s *setting) pack(target string, release int64, content string) *harness.Package {
	return harness.Pack(s.t, "app", target, release, []byte(content), nil, s.key)
}

// packMCU signs a package of a component with a handler.
func (s *setting) packMCU(id, target string, release int64) *harness.Package {
	return harness.Pack(s.t, id, target, release, []byte("image of "+target), func(m *ota.Manifest) { m.Type = ota.MCU },
		s.key)
}

// upgrade offers packages in a plan and waits for the device's end.
func (s *setting) upgrade(plan harness.Plan, want ota.DeviceStatus, packages ...*harness.Package) {
	s.t.Helper()
	s.platform.Offer(plan, packages...)
	s.platform.AwaitStatus(plan.ID, s.device, want)
}

// awaitTrail waits until a component has gone a way, of which the last steps may
// come after the plan has its end on the device.
func (s *setting) awaitTrail(plan, component string, want []string) {
	s.t.Helper()
	harness.Await(s.t, "the last report of "+component,
		func() bool { return len(s.platform.Trail(plan, component)) >= len(want) })
	assert.Equal(s.t, want, s.platform.Trail(plan, component))
}

// upgrades proves that the device is well: the next good package goes live.
func (s *setting) upgrades(plan, target string, release int64) {
	s.t.Helper()
	s.upgrade(harness.Plan{ID: plan}, ota.DeviceUpgraded, s.pack(target, release, "content of "+target))
	assert.Equal(s.t, succeeded, s.platform.Trail(plan, "app"))
	assert.Equal(s.t, "content of "+target, string(s.device.Read("app.bin")))
	assert.Empty(s.t, s.platform.Faults(plan))
}

// succeeded is the trail of an upgrade without trouble.
var succeeded = trail("download_succeeded", "upgrading", "upgrade_succeeded")

// refused is the trail of a package that is not even downloaded.
func refused(code ota.Code) []string {
	return []string{"plan_received", "upgrade_confirmed", "upgrade_failed: " + string(code)}
}

// trail is that of a package that the device began to download.
func trail(then ...string) []string {
	return append([]string{"plan_received", "upgrade_confirmed", "ready_to_download", "downloading"}, then...)
}

// missing reports whether there is no file at a path.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return os.IsNotExist(err)
}
