package e2e_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bsdiff"
	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// delta packs a patch of app from one image to another.
func (s *setting) delta(target string, release int64, from, to []byte) *harness.Package {
	s.t.Helper()
	var patch bytes.Buffer
	require.NoError(s.t, bsdiff.Make(&patch, from, to))
	describe := func(content []byte) *ota.Output {
		f, err := bundle.Describe("app.img", bytes.NewReader(content), 0)
		require.NoError(s.t, err)
		return &ota.Output{Size: f.Size, SHA256: f.SHA256}
	}
	return harness.Pack(s.t, "app", target, release, patch.Bytes(), func(m *ota.Manifest) {
		m.Package, m.Source = ota.Delta, "1.0.0"
		m.Files[0].Encoding, m.Files[0].Output, m.Files[0].Base = ota.BSDiff, describe(to), describe(from)
	}, s.key)
}

func TestDelta(t *testing.T) {
	old := harness.Image(1, 500_000)
	image := append(append(bytes.Clone(old[:200_000]), "a new part"...), old[200_000:]...)
	tests := map[string]struct {
		live   []byte // what really runs as 1.0.0
		full   bool   // the platform has the full package too
		status ota.DeviceStatus
		trail  []string
	}{
		"fits":         {old, true, ota.DeviceUpgraded, succeeded},
		"does not fit": {append([]byte{0}, old...), true, ota.DeviceUpgraded, succeeded},
		"does not fit, and there is no other": {
			image[:1000],
			false,
			ota.DeviceUpgradeFailed,
			[]string{"plan_received", "upgrade_confirmed", "ready_to_download", "download_failed: delta_failed"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			s.device.Write("app.bin", test.live, 0o755)
			s.device.Start()
			if test.full {
				s.platform.Upload(harness.Pack(t, "app", "1.1.0", 7, image, nil, s.key))
			}
			s.upgrade(harness.Plan{ID: "p"}, test.status, s.delta("1.1.0", 7, old, image))
			assert.Equal(t, test.trail, s.platform.Trail("p", "app"))
			want := image
			if test.status != ota.DeviceUpgraded {
				want = test.live
			}
			assert.True(t, bytes.Equal(want, s.device.Read("app.bin")))
			assert.Empty(t, s.platform.Faults("p"))
		})
	}
}

// What runs may change while the patch comes. The device asks for the full package
// then as well: nothing of the patch has been used.
func TestDeltaOfWhatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	old, image := harness.Image(1, 150_000), harness.Image(2, 150_000)
	s.device.Write("app.bin", old, 0o755)
	s.device.Settings["download"].(harness.Settings)["rate_limit"] = "50KiB/s"
	s.device.Start()
	s.platform.Upload(harness.Pack(t, "app", "1.1.0", 7, image, nil, s.key))
	s.platform.Offer(harness.Plan{ID: "p"}, s.delta("1.1.0", 7, old, image))
	harness.Await(t, "the download", func() bool { return len(s.platform.Trail("p", "app")) == 4 })
	s.device.Write("app.bin", append(old, 0), 0o755)
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"))
	assert.True(t, bytes.Equal(image, s.device.Read("app.bin")))
}
