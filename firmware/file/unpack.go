package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// unpack makes the directory anew from the verified archives.
func (in *Installer) unpack(ctx context.Context, job firmware.Job) error {
	disk := in.cfg.Disk
	if err := disk.RemoveAll(in.next); err != nil {
		return err
	}
	if err := disk.MkdirAll(in.next); err != nil {
		return err
	}
	for i := range job.Files {
		file := &job.Files[i]
		archive, err := in.workspace.Image(ctx, file)
		if err != nil {
			return err
		}
		into := in.next
		if i > 0 {
			// An unpacker wants a directory of its own.
			into = filepath.Join(in.next, ".ota-part")
		}
		if err := in.cfg.Unpacker.Unpack(ctx, archive, format(file), into); err != nil {
			return unpackFailure(ctx, file.Name, err)
		}
		if i > 0 {
			if err := in.merge(into, file.Name); err != nil {
				return err
			}
		}
	}
	return disk.SyncTree(in.next)
}

// merge moves what the archive called name was unpacked to up into the
// directory.
func (in *Installer) merge(part, name string) error {
	entries, err := os.ReadDir(part)
	if err != nil {
		return err
	}
	for _, e := range entries {
		to := filepath.Join(in.next, e.Name())
		if _, err := os.Lstat(to); err == nil {
			return firmware.Failf(ota.UnpackFailed, "%s holds %s, which an earlier file of the package holds too", name, e.Name())
		}
		if err := in.cfg.Disk.Rename(filepath.Join(part, e.Name()), to); err != nil {
			return err
		}
	}
	return in.cfg.Disk.RemoveAll(part)
}

// format is the name that tells an archive's format after decoding.
func format(file *ota.File) string {
	if file.Encoding != ota.Zstd {
		return file.Name
	}
	return strings.TrimSuffix(strings.TrimSuffix(file.Name, ".zst"), ".zstd")
}

func unpackFailure(ctx context.Context, name string, err error) error {
	var known *ota.Failure
	if ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) {
		return firmware.Failf(ota.SpaceLow, "cannot unpack %s: %v", name, err)
	}
	return firmware.Failf(ota.UnpackFailed, "cannot unpack %s: %v", name, err)
}
