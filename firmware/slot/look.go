package slot

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"

	"otafleet/firmware"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// matches compares a slot with what the record has of its image. Where it has no
// digest there is nothing to compare.
func (in *Installer) matches(ctx context.Context, slot Slot, image *content) error {
	if image == nil || image.SHA256 == "" {
		return nil
	}
	want := ota.Output{Size: image.Size}
	if n, err := hex.Decode(want.SHA256[:], []byte(image.SHA256)); err != nil || n != len(want.SHA256) {
		return nil // a record that was changed by hand knows nothing
	}
	device, err := in.fromDevice(in.cfg.Devices[slot])
	if err != nil {
		return err
	}
	defer device.Close()
	return firmware.Verify(ctx, "slot "+slot.String(), io.NewSectionReader(device, 0, image.Size), want)
}

// forgetChanged drops the digest of a slot that runs and is not as it was installed:
// a file system that is mounted for writing changes, and works all the same.
func (in *Installer) forgetChanged(ctx context.Context, rec *record, slot Slot) error {
	err := in.matches(ctx, slot, rec.Slots[slot])
	var failure *ota.Failure
	if errors.As(err, &failure) && failure.Code == ota.DigestMismatch {
		in.log.Info("the running slot has been changed since its image was installed", "slot", slot.String())
		rec.Slots[slot] = &content{Version: rec.Slots[slot].Version}
	} else if err != nil {
		in.log.Warn("cannot compare the running slot with its image", "slot", slot.String(), "error", err)
	}
	return ctx.Err()
}

// canStart says why a slot cannot be rolled back to: it is not there, is the running
// one too, begins with nothing, or is not what it was when it ran.
func (in *Installer) canStart(ctx context.Context, rec *record, slot Slot) error {
	if err := Apart(in.cfg.Devices); err != nil {
		return err
	}
	device, err := in.fromDevice(in.cfg.Devices[slot])
	if err != nil {
		return err
	}
	defer device.Close()
	head := make([]byte, headSize)
	n, err := device.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(bytes.Trim(head[:n], "\x00")) == 0 {
		return errors.New("it begins with nothing that could start")
	}
	return in.matches(ctx, slot, rec.Slots[slot])
}

// stay keeps the running slot for good, since the other one cannot be rolled back to:
// when the trial's starts are used up the boot loader would start that one.
func (in *Installer) stay(ctx context.Context, running Slot, reason error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := firmware.Failf(ota.InstallerFailed, "cannot roll back to slot %s, so slot %s stays: %v", running.Other(),
		running, reason)
	if failed := in.choose(ctx, Choice{Slot: running}); failed != nil {
		return firmware.Failf(ota.InstallerFailed, "%v; %v", err, failed)
	}
	return err
}

// runsImage compares what runs on trial with the image that was installed: another
// disk may have the name of the one that was written to. A version file would have
// told, and what is mounted for writing cannot be compared.
func (in *Installer) runsImage(ctx context.Context, rec *record, running Slot) error {
	if in.cfg.VersionFile != "" || in.writable(running) {
		return nil
	}
	err := in.matches(ctx, running, rec.Slots[running])
	var failure *ota.Failure
	if errors.As(err, &failure) && failure.Code == ota.DigestMismatch {
		return firmware.Failf(ota.VerifyFailed,
			"the running slot %s does not hold the image of %s that was written: %s may lead to another disk now", running,
			rec.Version, in.cfg.Devices[running])
	}
	return err
}

// writable reports whether a slot is mounted for writing, as far as is known.
func (in *Installer) writable(slot Slot) bool {
	const limit = 1 << 20
	mounts, err := files.Read("/proc/self/mountinfo", limit)
	info, statErr := os.Stat(in.cfg.Devices[slot])
	return err != nil || statErr != nil || mountedWritable("/sys", string(mounts), extentsOf("/sys", info, maxLayers))
}

// mountedWritable looks through lines of proc(5)'s mountinfo: the third field is the
// device's number, and after a dash come type, source and options of the file system.
func mountedWritable(sys, mounts string, slot extents) bool {
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		mount, system := strings.Fields(before), strings.Fields(after)
		if len(mount) < 3 || len(system) < 3 || !strings.HasPrefix(system[2], "rw") {
			continue
		}
		number, err := parseNumber(mount[2])
		if err == nil && deviceExtents(sys, number, maxLayers).overlaps(slot) {
			return true
		}
		// Of some file systems, such as btrfs, the number is none of a device.
		info, err := os.Stat(system[1])
		if err == nil && info.Mode()&os.ModeDevice != 0 && extentsOf(sys, info, maxLayers).overlaps(slot) {
			return true
		}
	}
	return false
}
