package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// mountSmall puts a file system of a few bytes at a directory of the device.
func mountSmall(t *testing.T, d *harness.Device, name string, bytes string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(d.Path(name), 0o755))
	if err := syscall.Mount("tmpfs", d.Path(name), "tmpfs", 0, "size="+bytes); err != nil {
		t.Skipf("a disk that is full needs one of its own, and this user may not mount any: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(d.Path(name), syscall.MNT_DETACH)) })
}

func TestPackageLargerThanTheDisk(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	mountSmall(t, s.device, "disk", "2m")
	s.device.Write("disk/app.bin", []byte("old"), 0o755)
	s.device.Components(harness.FileComponent("app", "1.0.0", harness.Settings{"path": "disk/app.bin"}))
	agent := s.device.Start()
	s.upgrade(harness.Plan{ID: "large"}, ota.DeviceUpgradeFailed, s.pack("1.1.0", 1, string(harness.Image(1, 3<<20))))
	assert.Equal(t, []string{"plan_received", "upgrade_confirmed", "ready_to_download", "download_failed: space_low"},
		s.platform.Trail("large", "app"))
	assert.Equal(t, "old", string(s.device.Read("disk/app.bin")))

	s.upgrade(harness.Plan{ID: "small"}, ota.DeviceUpgraded, s.pack("1.2.0", 2, "small"))
	assert.Equal(t, "small", string(s.device.Read("disk/app.bin")))
	assert.True(t, agent.Running())
}

// A device whose state has no room accepts nothing new.
func TestFullDiskBeforeAnUpgrade(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	mountSmall(t, s.device, "state", "2m")
	agent := s.device.Start()
	agent.AwaitOutput("connected to the broker")
	fill(t, s.device.Path("state/ballast"))
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	assert.Equal(t, ota.ReasonSpace, s.platform.AwaitDecision("p").Reason)
	assert.Contains(t, s.device.Do("status").Out, "plan p is refused (space_low")
	assert.Equal(t, "old", string(s.device.Read("app.bin")))

	require.NoError(t, os.Remove(s.device.Path("state/ballast")))
	assert.Equal(t, 0, s.device.Do("check").Code)
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"))
	assert.Equal(t, 0, agent.Stop())
}

// One that has accepted a plan comes to a known end and forgets nothing, since the room
// for its memory was taken when there was some.
func TestFullDiskWithinAnUpgrade(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	mountSmall(t, s.device, "state", "2m")
	s.device.Settings["download"] = harness.Settings{"rate_limit": "512KiB/s"}
	agent := s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, string(harness.Image(1, 512<<10))))
	harness.Await(t, "the download", func() bool { return slices.Contains(s.platform.Trail("p", "app"), "downloading") })
	fill(t, s.device.Path("state/ballast"))
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgradeFailed)
	assert.Equal(t, trail("download_succeeded", "upgrade_failed: space_low"), s.platform.Trail("p", "app"))
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
	assert.Empty(t, s.platform.Faults("p"))

	agent.Kill()
	agent = s.device.Start() // with no room still
	agent.AwaitOutput("connected to the broker")
	require.NoError(t, os.Remove(s.device.Path("state/ballast")))
	s.upgrades("room", "1.2.0", 2)
	assert.Equal(t, 0, agent.Stop())
}

// fill writes to a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			size /= 2
		}
	}
}

// An archive is unpacked below the component's directory or not at all.
func TestArchivesStayInTheirDirectory(t *testing.T) {
	for _, test := range []struct {
		name    string
		members []tar.Header
	}{
		{"up and out", []tar.Header{{Name: "index.html"}, {Name: "../escaped"}}},
		{"from the root", []tar.Header{{Name: "index.html"}, {Name: "/tmp/ota-escaped/../../escaped"}}},
		{"through a link", []tar.Header{{Name: "out", Linkname: "..", Typeflag: tar.TypeSymlink}, {Name: "out/escaped"}}},
		{"a link to a file outside", []tar.Header{{Name: "release.pub", Linkname: "../release.pub", Typeflag: tar.TypeLink}}},
		{"a device", []tar.Header{{Name: "sda", Typeflag: tar.TypeBlock, Devmajor: 8}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			s.device.Components(harness.FileComponent("web", "1.0.0", harness.Settings{"path": "www/web", "unpack": true}))
			s.device.Write("www/web/index.html", []byte("old"), 0o644)
			s.device.Start()
			s.upgrade(harness.Plan{ID: "bad"}, ota.DeviceUpgradeFailed, s.packArchive("1.1.0", 1, test.members...))
			assert.Equal(t, trail("download_succeeded", "upgrade_failed: unpack_failed"), s.platform.Trail("bad", "web"))
			assert.Equal(t, "old", string(s.device.Read("www/web/index.html")))
			for _, place := range []string{"escaped", "www/escaped", "state/escaped", "state/components/web/escaped",
				"/escaped"} {
				assert.True(t, missing(s.device.Path(place)), place)
			}
			assert.Equal(t, string(s.key.Public(t)), string(s.device.Read("release.pub")))

			s.upgrade(harness.Plan{ID: "good"}, ota.DeviceUpgraded,
				s.packArchive("1.2.0", 2, tar.Header{Name: "index.html"}, tar.Header{Name: "css/all.css"}))
			assert.Equal(t, "content of css/all.css", string(s.device.Read("www/web/css/all.css")))
		})
	}
}

// packArchive signs a package of web whose file is an archive.
func (s *setting) packArchive(target string, release int64, members ...tar.Header) *harness.Package {
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	w := tar.NewWriter(zip)
	for _, head := range members {
		content := "content of " + head.Name
		if head.Mode = 0o644; head.Typeflag == 0 || head.Typeflag == tar.TypeReg {
			head.Size = int64(len(content))
		} else {
			content = ""
		}
		require.NoError(s.t, w.WriteHeader(&head))
		_, err := w.Write([]byte(content))
		require.NoError(s.t, err)
	}
	require.NoError(s.t, w.Close())
	require.NoError(s.t, zip.Close())
	return harness.Pack(s.t, "web", target, release, archive.Bytes(),
		func(m *ota.Manifest) { m.Files[0].Name = "web.tar.gz" }, s.key)
}
