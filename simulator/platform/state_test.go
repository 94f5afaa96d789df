package platform_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/store"
)

// packageFile is the package of start as a file.
func packageFile(t *testing.T) []byte {
	t.Helper()
	return packageOf(t, "1.1.0")
}

func packageOf(t *testing.T, target string) []byte {
	t.Helper()
	dir := t.TempDir()
	file, path := filepath.Join(dir, "rootfs.bin"), filepath.Join(dir, "rootfs.ota")
	require.NoError(t, os.WriteFile(file, image(), 0o600))
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, err = bundle.Create(path, bundle.Release{Files: []string{file}, Chunk: 4 << 10, Keys: []ed25519.PrivateKey{key},
		Manifest: ota.Manifest{
			Product: "gw-200", Component: "rootfs", Type: ota.Module, Package: ota.Full, Target: target, Release: 1,
		}})
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// live runs a platform in a directory until stop is called.
func live(t *testing.T, dir string) (s *platform.Service, stop func()) {
	t.Helper()
	s, err := platform.New(platform.Config{State: dir})
	require.NoError(t, err)
	return s, serve(t, s.Run)
}

// TestStateOutlivesThePlatform takes a device through the first half of an upgrade
// with one platform, and through the second with the next one.
func TestStateOutlivesThePlatform(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, stop := live(t, dir)
	id, err := s.Upload(t.Context(), bytes.NewReader(packageFile(t)), platform.Label{Name: "spring", Remarks: "kept"}, nil)
	require.NoError(t, err)
	require.NoError(t, s.Command(engine.CreatePlan{Plan: engine.PlanSpec{
		ID: "spring", Name: "spring", Product: "gw-200", Zone: time.UTC, Start: time.Now().Add(-time.Minute),
		End:  time.Now().Add(time.Hour),
		Mode: ota.Silent, Components: []engine.ComponentSpec{{ID: "rootfs", Type: ota.Module, Package: ota.Full,
			Target: "1.1.0"}},
	}}))
	require.NoError(t, s.Command(engine.Activate{Plan: "spring"}))
	_, err = platform.New(platform.Config{State: dir})
	require.ErrorIs(t, err, store.ErrUsed)
	require.Error(t, s.AddPackage(t.Context(), ota.Envelope{}, &ota.Manifest{}, nil), "it would not be kept")

	d := connect(t, s.BrokerURL(), "gw-1")
	d.inventory("1.0.0")
	d.addressOfAnOffer()
	stop()

	s, _ = live(t, dir)
	s.View(func(e *engine.Engine) {
		p, found := e.Package(id)
		require.True(t, found)
		assert.Equal(t, "kept", p.Remarks)
		rows, _ := e.Devices("spring", engine.Filter{})
		require.Len(t, rows, 1)
		assert.Equal(t, ota.DeviceUpgrading, rows[0].Status)
		assert.Equal(t, 2, rows[0].LastSeq)
		assert.False(t, rows[0].Online)
	})
	d.require(d.open(s.BrokerURL()))
	d.inventory("1.0.0")
	for {
		m, _ := d.next()
		if p, is := m.(*ota.Package); is {
			_, body := get(t, p.Files[0].URLs[0], "")
			assert.Equal(t, image(), body)
			break
		}
	}
	d.report(ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading, ota.UpgradeSucceeded)
	for done := false; !done; {
		m, _ := d.next()
		ack, is := m.(*ota.Ack)
		done = is && ack.Seq == d.seq
	}
}

func (d *device) require(err error) {
	d.t.Helper()
	require.NoError(d.t, err)
}

// TestLeftOvers: what an upload that was cut has left is gone, and a package that
// is missing is said so.
func TestLeftOvers(t *testing.T) {
	dir := t.TempDir()
	s, stop := live(t, dir)
	id, err := s.Upload(t.Context(), bytes.NewReader(packageFile(t)), platform.Label{}, nil)
	require.NoError(t, err)
	stop()
	left := filepath.Join(dir, "packages", "incoming-1")
	require.NoError(t, os.WriteFile(left, []byte("half"), 0o600))
	_, stop = live(t, dir)
	assert.NoFileExists(t, left)
	stop()
	require.NoError(t, os.Remove(filepath.Join(dir, "packages", id+".ota")))
	_, err = platform.New(platform.Config{State: dir})
	require.ErrorContains(t, err, "cannot open the package")
}

// TestWatch: who follows sees what happens, and who does not keep up learns how
// much was missed.
func TestWatch(t *testing.T) {
	s := start(t, platform.Config{})
	w, slow := s.Watch(100), s.Watch(1)
	for _, key := range []string{"a", "b", "c"} {
		s.Hear(
			ota.Identity{Product: "gw-200", Device: key},
			&ota.Inventory{Components: []ota.ComponentVersion{{ID: "rootfs", Type: ota.Module, Version: "1.1.0"}}},
		)
	}
	require.Len(t, w.Facts, 3)
	fact := <-w.Facts
	assert.Equal(t, ota.DeviceNoUpdateRequired, fact.What.(engine.Changed).To)
	assert.Equal(t, int64(2), slow.Missed())
	assert.Zero(t, slow.Missed())
	s.Unwatch(w)
	s.Unwatch(slow)
	s.Hear(
		ota.Identity{Product: "gw-200", Device: "d"},
		&ota.Inventory{Components: []ota.ComponentVersion{{ID: "rootfs", Type: ota.Module, Version: "1.1.0"}}},
	)
	assert.Len(t, w.Facts, 2)
}

// TestUploadWithoutState serves a package that no directory keeps, until it is
// deleted.
func TestUploadWithoutState(t *testing.T) {
	s, err := platform.New(platform.Config{})
	require.NoError(t, err)
	serve(t, s.Run)
	id, err := s.Upload(context.Background(), bytes.NewReader(packageFile(t)), platform.Label{Name: "x"}, nil)
	require.NoError(t, err)
	_, err = s.Upload(context.Background(), bytes.NewReader(packageFile(t)), platform.Label{Name: "y"}, nil)
	require.ErrorContains(t, err, "is already the package")
	require.NoError(t, s.DeletePackage(t.Context(), id))
	require.ErrorIs(t, s.DeletePackage(t.Context(), id), engine.ErrUnknown)
	_, err = s.Upload(context.Background(), bytes.NewReader(packageFile(t)), platform.Label{Name: "x"}, nil)
	require.NoError(t, err)
	_, err = s.Upload(context.Background(), bytes.NewReader([]byte("hello")), platform.Label{}, nil)
	require.ErrorIs(t, err, platform.ErrNotPackage)
}
