package slot_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/firmware/slot"
	"otafleet/internal/ota"
)

// upgraded is a device that has been given 1.1.0 and runs 1.2.0 on trial, so that the
// record has the digest of both slots.
func upgraded(t *testing.T, kind world) *device {
	d := newDevice(t, kind)
	d.activate(t)
	d.reboot(t)
	require.NoError(t, d.Commit(t.Context(), d.job))
	d.job = firmware.Job{Component: "rootfs", Source: "1.1.0", Target: "1.2.0", Files: d.packages["1.2.0"].Files}
	d.activate(t)
	d.reboot(t)
	d.requireVersion(t, "1.2.0")
	return d
}

// Nothing of the other slot is needed to know what runs, and to keep it.
func TestOtherSlotIsNotNeeded(t *testing.T) {
	d := newDevice(t, world{})
	d.activate(t)
	d.reboot(t)
	require.NoError(t, os.Remove(d.Devices[slot.A]))
	d.requireVersion(t, "1.1.0")
	require.NoError(t, d.Commit(t.Context(), d.job))
	d.requireChoice(t, slot.Choice{Slot: slot.B})
}

// The rollback leads only to a slot that is there; else the running one stays, for
// good, since the boot loader would go there too.
func TestNoRollbackToASlotThatIsNotThere(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, d *device, old string)
		detail string
	}{
		"gone": {func(*testing.T, *device, string) {}, "no such file"},
		"empty": {func(t *testing.T, d *device, old string) { write(t, old, make([]byte, d.capacity)) },
			"begins with nothing"},
		"without any byte": {func(t *testing.T, _ *device, old string) { write(t, old, nil) }, "begins with nothing"},
		"another image": {func(t *testing.T, d *device, old string) {
			write(t, old,
				bytes.Repeat([]byte{7}, int(d.capacity)))
		}, "has another digest"},
		"cut off": {func(t *testing.T, _ *device, old string) { write(t, old, content("1.1.0")[:size/2]) },
			"has not the"},
		"a directory": {func(t *testing.T, _ *device, old string) { require.NoError(t, os.Mkdir(old, 0o700)) },
			"neither a block device nor a file"},
		"a pipe": {func(t *testing.T, _ *device, old string) { require.NoError(t, unix.Mkfifo(old, 0o600)) },
			"neither a block device nor a file"},
		"the running one": {func(t *testing.T, d *device, old string) {
			require.NoError(t,
				os.Symlink(d.Devices[slot.A], old))
		}, "are one device"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := upgraded(t, world{tries: 3}) // runs from a
			old := d.Devices[slot.B]
			require.NoError(t, os.Rename(old, d.path("away")))
			test.change(t, d, old)
			_, err := d.Revert(t.Context(), d.job)
			failure := firmwaretest.RequireCode(t, ota.InstallerFailed, err)
			assert.Contains(t, failure.Detail, "cannot roll back to slot b, so slot a stays: ")
			assert.Contains(t, failure.Detail, test.detail)
			d.requireChoice(t, slot.Choice{Slot: slot.A})
			d.requireVersion(t, "1.2.0")

			// It was only late.
			require.NoError(t, os.RemoveAll(old))
			require.NoError(t, os.Rename(d.path("away"), old))
			restart, err := d.Revert(t.Context(), d.job)
			require.NoError(t, err)
			assert.Equal(t, firmware.RestartSystem, restart)
			d.reboot(t)
			d.requireVersion(t, "1.1.0")
		})
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

// A file system that is mounted for writing is not as it was installed, and can be
// rolled back to.
func TestRollbackToARootThatChanges(t *testing.T) {
	d := newDevice(t, world{})
	d.activate(t)
	d.reboot(t)
	require.NoError(t, d.Commit(t.Context(), d.job))
	changed := content("1.1.0")
	copy(changed[size-100:], "a log file")
	d.flash(slot.B, changed)
	d.packages["changed"] = chunked(firmwaretest.PlainPackage("root.img", changed))
	d.job = firmware.Job{Component: "rootfs", Source: "1.1.0", Target: "1.2.0", Files: d.packages["1.2.0"].Files}
	d.activate(t)
	d.reboot(t)
	_, err := d.Revert(t.Context(), d.job)
	require.NoError(t, err)
	d.requireChoice(t, slot.Choice{Slot: slot.B})
}

// After the restart the name of the slot may lead to another disk.
func TestAnotherDiskHasTheNameAfterTheRestart(t *testing.T) {
	d := newDevice(t, world{tries: 3})
	d.activate(t)
	d.reboot(t)
	d.flash(slot.B, content("1.2.0"))
	failure := firmwaretest.RequireCode(t, ota.VerifyFailed, d.Commit(t.Context(), d.job))
	assert.Contains(t, failure.Detail, "does not hold the image of 1.1.0")
	d.requireChoice(t, slot.Choice{Slot: slot.B, Trial: true, Tries: 2})
	_, err := d.Revert(t.Context(), d.job)
	require.NoError(t, err)
	d.requireChoice(t, slot.Choice{Slot: slot.A})
}

// Two names of one device are no two slots: the running one would be overwritten.
func TestTwoNamesOfOneDevice(t *testing.T) {
	for name, link := range map[string]func(from, to string) error{"symbolic": os.Symlink, "hard": os.Link} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, world{})
			before := d.read(slot.A, size)
			require.NoError(t, os.Remove(d.Devices[slot.B]))
			require.NoError(t, link(d.Devices[slot.A], d.Devices[slot.B]))
			require.ErrorContains(t, slot.Apart([2]string(d.Devices)), "are one device")
			_, err := d.Open(t.Context(), d.job)
			assert.Contains(t, firmwaretest.RequireCode(t, ota.InstallerFailed, err).Detail, "are one device")
			assert.True(t, bytes.Equal(before, d.read(slot.A, size)))
			d.requireVersion(t, "1.0.0")
		})
	}
}

// The names change while the image streams in.
func TestNamesThatChangeDuringTheDownload(t *testing.T) {
	d := newDevice(t, world{})
	before := d.read(slot.A, size)
	d.fetch(t)
	require.NoError(t, os.Remove(d.Devices[slot.B]))
	require.NoError(t, os.Symlink(d.Devices[slot.A], d.Devices[slot.B]))
	require.Error(t, d.Stage(t.Context(), d.job))
	assert.True(t, bytes.Equal(before, d.read(slot.A, size)))
	d.requireVersion(t, "1.0.0")
}

// boot is a boot loader's memory that takes no choice.
type broken struct {
	slot.Boot
	failure error
}

func (b *broken) Choose(ctx context.Context, choice slot.Choice) error {
	if b.failure != nil {
		return b.failure
	}
	return b.Boot.Choose(ctx, choice)
}

// A memory that takes no choice is found before the other slot is given up, although
// the running one is chosen already.
func TestMemoryThatTakesNothing(t *testing.T) {
	d := newDevice(t, world{})
	d.flash(slot.B, d.packages["1.2.0"].Live)
	cfg := d.config()
	cfg.Boot = &broken{cfg.Boot, errors.New("cannot write U-Boot's environment: read-only")}
	installer, err := slot.New(cfg)
	require.NoError(t, err)
	_, err = installer.Open(t.Context(), d.job)
	assert.Contains(t, firmwaretest.RequireCode(t, ota.WriteFailed, err).Detail, "read-only")
	assert.Equal(t, "1.2.0", d.holds(slot.B))
	assert.NoDirExists(t, cfg.StateDir)
}

// A memory that breaks within the trial can neither confirm nor roll back. Nothing else
// is changed by that, and each can be done when it works again.
func TestMemoryThatBreaksInTheTrial(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		d := newDevice(t, world{tries: 3})
		d.activate(t)
		d.reboot(t)
		memory := &broken{d.loader(), errors.New("cannot write U-Boot's environment: both copies are bad")}
		cfg := d.config()
		cfg.Boot = memory
		installer, err := slot.New(cfg)
		require.NoError(t, err)
		for range 5 {
			firmwaretest.RequireCode(t, ota.WriteFailed, installer.Commit(t.Context(), d.job))
			restart, err := installer.Revert(t.Context(), d.job)
			assert.Contains(t, firmwaretest.RequireCode(t, ota.WriteFailed, err).Detail, "both copies are bad")
			assert.Empty(t, restart, "the device would start what it runs, or a slot that it does not know")
			d.requireVersion(t, "1.1.0")
		}
		memory.failure = nil
		if confirm {
			require.NoError(t, installer.Commit(t.Context(), d.job))
			d.requireChoice(t, slot.Choice{Slot: slot.B})
			continue
		}
		_, err = installer.Revert(t.Context(), d.job)
		require.NoError(t, err)
		d.requireChoice(t, slot.Choice{Slot: slot.A})
	}
}

// A block that has no room for a trial is found before anything is given up.
func TestFullBlockIsFoundAtOnce(t *testing.T) {
	d := newDevice(t, world{grub: true, tries: 3})
	d.flash(slot.B, d.packages["1.2.0"].Live)
	lines := "ota_slot=a\nota_tries=\nmine="
	full := block(lines + strings.Repeat("x", 1024-len("# GRUB Environment Block\n")-len(lines)-1) + "\n")
	write(t, d.path("grubenv"), []byte(full))
	require.ErrorContains(t, slot.GRUB{Path: d.path("grubenv")}.Check(), "its 1024 bytes are full")
	_, err := d.Open(t.Context(), d.job)
	assert.Contains(t, firmwaretest.RequireCode(t, ota.WriteFailed, err).Detail, "its 1024 bytes are full")
	assert.Equal(t, "1.2.0", d.holds(slot.B))
	d.requireChoice(t, slot.Choice{Slot: slot.A})

	// The rollback needs no room for a trial.
	require.NoError(t, d.loader().Choose(t.Context(), slot.Choice{Slot: slot.B}))
}

// What an editor has left behind the filling is none of the block's.
func TestTrailingBytesBehindABlock(t *testing.T) {
	grub := slot.GRUB{Path: filepath.Join(t.TempDir(), "grubenv")}
	for _, behind := range []string{"\n", "\r\n", "\n\n", "\n\x00\x00"} {
		write(t, grub.Path, []byte(block("ota_slot=a\nota_tries=\nmine=1\n")+behind))
		require.NoError(t, grub.Check())
		require.NoError(t, grub.Choose(t.Context(), slot.Choice{Slot: slot.B, Trial: true, Tries: 3}))
		found, err := grub.Choice(t.Context())
		require.NoError(t, err)
		assert.Equal(t, slot.Choice{Slot: slot.B, Trial: true, Tries: 3}, found)
		data, err := os.ReadFile(grub.Path)
		require.NoError(t, err)
		assert.Len(t, data, 1024+len(behind))
		assert.True(t, bytes.HasSuffix(data, []byte("##########")), "GRUB finds its free room at the end of the file")
	}
}

// A flag that is a link is followed, as a shell in an initramfs does.
func TestFlagThatIsALink(t *testing.T) {
	dir := t.TempDir()
	for _, link := range [][2]string{
		{"absolute", filepath.Join(dir, "boot", "flag")}, {"relative", "boot/flag"}, {"two", "absolute"},
		{"to nothing yet", "boot/new"},
	} {
		name, to := link[0], link[1]
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "boot"), 0o700))
		require.NoError(t, os.Symlink(to, path))
		choice := slot.Choice{Slot: slot.B, Trial: true, Tries: 2}
		require.NoError(t, slot.Flag{Path: path}.Choose(t.Context(), choice), name)
		found, err := slot.Flag{Path: path}.Choice(t.Context())
		require.NoError(t, err, name)
		assert.Equal(t, choice, found)
		info, err := os.Lstat(path)
		require.NoError(t, err)
		assert.Equal(t, os.ModeSymlink, info.Mode().Type(), name)
	}
	assert.FileExists(t, filepath.Join(dir, "boot", "new"))
	round := filepath.Join(dir, "round")
	require.NoError(t, os.Symlink(round, round))
	require.ErrorContains(t, slot.Flag{Path: round}.Choose(t.Context(), slot.Choice{}), "cannot write the boot flag")
}
