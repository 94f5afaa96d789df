package slot_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/firmware/slot"
	"otafleet/internal/ota"
)

// device is a world with a job, and the installer of its agent.
type device struct {
	*world
	firmware.Installer
	job firmware.Job
}

func newDevice(t *testing.T, kind world) *device {
	kind.capacity = size + 10<<10
	d := &device{world: newWorld(t, plain(), kind, "1.0.0")}
	d.Installer = d.Start(t)
	d.job = firmware.Job{Component: "rootfs", Source: "1.0.0", Target: "1.1.0", Files: d.packages["1.1.0"].Files}
	return d
}

func (d *device) fetch(t *testing.T) {
	t.Helper()
	places, err := d.Open(t.Context(), d.job)
	require.NoError(t, err)
	_, err = places[0].WriteAt(d.packages[d.job.Target].Data[0], 0)
	require.NoError(t, err)
	require.NoError(t, places[0].Sync())
	require.NoError(t, places[0].Close())
}

func (d *device) activate(t *testing.T) {
	t.Helper()
	d.fetch(t)
	require.NoError(t, d.Stage(t.Context(), d.job))
	restart, err := d.Activate(t.Context(), d.job)
	require.NoError(t, err)
	require.Equal(t, firmware.RestartSystem, restart)
}

func (d *device) reboot(t *testing.T) {
	t.Helper()
	d.boot()
	d.Installer = d.Start(t)
}

func (d *device) requireVersion(t *testing.T, want string) {
	t.Helper()
	found, err := d.Inspect(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, found.Version)
}

func (d *device) requireChoice(t *testing.T, want slot.Choice) {
	t.Helper()
	found, err := d.loader().Choice(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, found)
}

// A version on trial that is not confirmed is left by the boot loader when its
// starts are used up.
func TestTrialRunsOut(t *testing.T) {
	d := newDevice(t, world{tries: 2})
	d.activate(t)
	d.requireChoice(t, slot.Choice{Slot: slot.B, Trial: true, Tries: 2})
	d.requireVersion(t, "1.0.0")
	for left := 1; left >= 0; left-- {
		d.reboot(t)
		d.requireVersion(t, "1.1.0")
		d.requireChoice(t, slot.Choice{Slot: slot.B, Trial: true, Tries: left})
	}
	d.reboot(t)
	d.requireVersion(t, "1.0.0")
	d.requireChoice(t, slot.Choice{Slot: slot.A})

	firmwaretest.RequireCode(t, ota.VerifyFailed, d.Commit(t.Context(), d.job))
	restart, err := d.Revert(t.Context(), d.job)
	require.NoError(t, err)
	assert.Equal(t, firmware.RestartNone, restart, "the boot loader has rolled back already")
	d.requireVersion(t, "1.0.0")
}

func TestConfirmIsForGood(t *testing.T) {
	d := newDevice(t, world{tries: 1})
	d.activate(t)
	firmwaretest.RequireCode(t, ota.VerifyFailed, d.Commit(t.Context(), d.job))
	d.reboot(t)
	require.NoError(t, d.Commit(t.Context(), d.job))
	for range 3 {
		d.reboot(t)
		d.requireVersion(t, "1.1.0")
	}
	d.requireChoice(t, slot.Choice{Slot: slot.B})
	assert.NoFileExists(t, filepath.Join(d.config().StateDir, "head"))

	for range 2 { // until the restart has happened
		restart, err := d.Revert(t.Context(), d.job)
		require.NoError(t, err)
		assert.Equal(t, firmware.RestartSystem, restart)
	}
	d.reboot(t)
	d.requireVersion(t, "1.0.0")
}

// Bytes go straight into the slot, but for those without which nothing boots it.
func TestHalfAnImageIsNotBootable(t *testing.T) {
	d := newDevice(t, world{})
	const head = 128 << 10
	image := d.packages["1.1.0"].Data[0]
	d.flash(slot.B, bytes.Repeat([]byte{7}, head+100))
	d.fetch(t)
	found := d.read(slot.B, len(image))
	assert.Equal(t, make([]byte, head), found[:head])
	assert.True(t, bytes.Equal(image[head:], found[head:]), "the rest is in the slot")
	assert.NoDirExists(t, filepath.Join(d.config().StateDir, "files"), "there is a second copy")
	d.requireChoice(t, slot.Choice{Slot: slot.A})

	require.NoError(t, d.Stage(t.Context(), d.job))
	assert.True(t, bytes.Equal(image, d.read(slot.B, len(image))))
	d.requireChoice(t, slot.Choice{Slot: slot.A})

	// Opened again it is not bootable again, and nothing of it is lost.
	places, err := d.Open(t.Context(), d.job)
	require.NoError(t, err)
	assert.Equal(t, make([]byte, head), d.read(slot.B, head))
	kept := make([]byte, len(image))
	_, err = places[0].ReadAt(kept, 0)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(image, kept))
	require.NoError(t, places[0].Close())
	_, err = d.Activate(t.Context(), d.job)
	firmwaretest.RequireCode(t, ota.InstallerFailed, err)
}

// While a version is on trial, the other slot is what the boot loader rolls back
// to. A job that is to overwrite it takes the running version for good first.
func TestNothingFallsBackToASlotInWork(t *testing.T) {
	d := newDevice(t, world{tries: 3})
	d.activate(t)
	d.reboot(t)
	require.NoError(t, os.RemoveAll(d.config().StateDir), "the state is lost")
	d.job.Source, d.job.Target, d.job.Files = "1.1.0", "1.2.0", d.packages["1.2.0"].Files
	d.fetch(t)
	d.requireChoice(t, slot.Choice{Slot: slot.B})
	for range 4 {
		d.reboot(t)
		assert.Equal(t, "1.1.0", d.holds(slot.B))
	}
}

func TestBlocksThatASlotHas(t *testing.T) {
	d := newDevice(t, world{})
	d.flash(slot.B, d.packages["1.1.0"].Data[0][:130<<10])
	places, err := d.Open(t.Context(), d.job)
	require.NoError(t, err)
	defer places[0].Close()
	found := make([]byte, 130<<10)
	_, err = places[0].ReadAt(found, 0)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(d.packages["1.1.0"].Data[0][:130<<10], found), "the inactive slot's, head and all")

	seed, is := places[0].(firmware.Seed)
	require.True(t, is)
	running := make([]byte, size)
	_, err = seed.Running().ReadAt(running, 0)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(d.packages["1.0.0"].Live[:size], running), "and the running one can be read")
}

func TestVersions(t *testing.T) {
	d := newDevice(t, world{versionFile: true})
	d.activate(t)
	d.reboot(t)
	d.requireVersion(t, "1.1.0")
	for text, want := range map[string]string{"1.1.0-dirty\nof today\n": "1.1.0-dirty", "": "unknown",
		" \n1.1.0": "unknown", "1.2\x00": "unknown"} {
		require.NoError(t, os.WriteFile(d.path("version"), []byte(text), 0o600))
		d.requireVersion(t, want)
	}
	require.NoError(t, os.Remove(d.path("version")))
	_, err := d.Inspect(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Without a version file the record knows the slots, and says so where it does
// not.
func TestRecord(t *testing.T) {
	d := newDevice(t, world{})
	d.fetch(t)
	require.NoError(t, os.WriteFile(d.path("running"), []byte("b"), 0o600))
	d.requireVersion(t, "unknown")
	require.NoError(t, os.WriteFile(d.path("running"), []byte("a"), 0o600))
	d.requireVersion(t, "1.0.0")
	record := filepath.Join(d.config().StateDir, "record.json")
	for _, text := range []string{"", "{", `{"target":7}`, `{"slots":[{"version":""},null]}`,
		strings.Repeat(" ", 100<<10)} {
		require.NoError(t, os.WriteFile(record, []byte(text), 0o600))
		found, err := d.Inspect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "unknown", found.Version)
	}
	require.NoError(t, os.WriteFile(record, []byte("{"), 0o600))
	d.activate(t)
	d.reboot(t)
	d.requireVersion(t, "1.1.0")
}

func TestJobsThatASlotCannotTake(t *testing.T) {
	d := newDevice(t, world{})
	image := d.packages["1.1.0"].Files[0]
	second := image
	second.Name = "second.img"
	large := firmwaretest.Plain("large.img", make([]byte, size+20<<10))
	for want, files := range map[ota.Code][]ota.File{
		ota.ManifestMismatch: {image, second}, ota.TooLarge: {large},
	} {
		job := d.job
		job.Files = files
		_, err := d.Open(t.Context(), job)
		firmwaretest.RequireCode(t, want, err)
	}
	require.NoError(t, os.Remove(d.Devices[slot.B]))
	_, err := d.Open(t.Context(), d.job)
	require.ErrorContains(t, err, "cannot open slot b")
	assert.NoFileExists(t, d.Devices[slot.B], "a device is never made")
}

// A patch to something else is refused while there is still time to ask for the
// full package, and before the inactive slot is given up.
func TestPatchToAnotherImage(t *testing.T) {
	d := newDevice(t, world{})
	d.flash(slot.B, d.packages["1.1.0"].Live)
	d.job.Files = delta("1.0.0", "1.2.0").Files
	d.flash(slot.A, []byte("mounted for writing"))
	_, err := d.Open(t.Context(), d.job)
	assert.Contains(t, firmwaretest.RequireCode(t, ota.DeltaFailed, err).Detail,
		"root.bsdiff does not start from what runs")
	assert.Equal(t, "1.1.0", d.holds(slot.B), "can be booted by hand")
	assert.NoDirExists(t, d.config().StateDir, "nothing was begun")

	// The same behind the look of Open ends without a version.
	d.flash(slot.A, content("1.0.0"))
	d.packages["1.2.0"] = delta("1.0.0", "1.2.0")
	d.job.Target = "1.2.0"
	d.fetch(t)
	d.flash(slot.A, bytes.Repeat([]byte{7}, size))
	firmwaretest.RequireCode(t, ota.DeltaFailed, d.Stage(t.Context(), d.job))
	assert.Equal(t, make([]byte, 64<<10), d.read(slot.B, 64<<10), "half an image is not bootable")
	d.flash(slot.A, content("1.0.0"))
	require.NoError(t, d.Stage(t.Context(), d.job))
	assert.Equal(t, "1.2.0", d.holds(slot.B))
}

func TestDevicesMayBeLinks(t *testing.T) {
	d := newDevice(t, world{})
	cfg := d.config()
	for s, path := range cfg.Devices {
		cfg.Devices[s] = d.path("by-label-" + slot.Slot(s).String())
		require.NoError(t, os.Symlink(path, cfg.Devices[s]))
	}
	installer, err := slot.New(cfg)
	require.NoError(t, err)
	d.Installer = installer
	d.activate(t)
	d.boot()
	d.requireVersion(t, "1.1.0")
}

func TestConfigValidate(t *testing.T) {
	_, err := slot.New(slot.Config{Devices: [2]string{"a", "a"}, VersionFile: "version", StateDir: "state"})
	require.Error(t, err)
	for _, want := range []string{
		`device "a" is not an absolute path`, "the two devices are one", "no boot loader", "nothing finds the running slot",
		"0 tries are not within 1 to 99", `version file "version"`, `state directory "state"`,
	} {
		assert.ErrorContains(t, err, want)
	}
	_, err = slot.New(slot.Config{Devices: [2]string{"/a", "/b"}, Tries: 100})
	assert.ErrorContains(t, err, `version "" is not a version`)
	assert.ErrorContains(t, err, "100 tries")
}
