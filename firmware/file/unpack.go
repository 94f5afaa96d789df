package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// unpack makes the directory anew from the verified archives, and gives it open.
func (in *Installer) unpack(ctx context.Context, job firmware.Job) (*os.File, error) {
	disk := in.cfg.Disk
	if err := disk.RemoveAll(in.next); err != nil {
		return nil, err
	}
	if err := disk.MkdirAll(in.next); err != nil {
		return nil, err
	}
	next, err := openOwn(in.next)
	if err != nil {
		return nil, err
	}
	if err := in.fill(ctx, next, job); err != nil {
		return nil, errors.Join(err, next.Close())
	}
	return next, nil
}

// fill unpacks the verified archives into an open directory.
func (in *Installer) fill(ctx context.Context, next *os.File, job firmware.Job) error {
	for i := range job.Files {
		file := &job.Files[i]
		archive, err := in.workspace.Image(ctx, file)
		if err != nil {
			return err
		}
		// An unpacker wants a directory of its own, and a path. This one leads
		// through the open directory, wherever its name leads meanwhile.
		part := fmt.Sprintf("/proc/self/fd/%d/%s", next.Fd(), partName)
		if err := in.cfg.Unpacker.Unpack(ctx, archive, format(file), part); err != nil {
			return unpackFailure(ctx, file.Name, err)
		}
		if err := in.merge(next, file.Name); err != nil {
			return err
		}
	}
	return in.cfg.Disk.SyncTree(next)
}

// partName is where an archive is unpacked, in the directory.
const partName = ".ota-part"

// openOwn opens a directory that the agent has made and no other user can enter.
func openOwn(path string) (*os.File, error) {
	f, err := firmware.OpenRead(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil &&
		(!info.IsDir() || info.Mode().Perm() != 0o700 || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid()) {
		err = fmt.Errorf("cannot unpack into %s: %w", path, firmware.ErrNotOwn)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// merge moves what the archive called name was unpacked to up into the directory.
func (in *Installer) merge(next *os.File, name string) error {
	err := in.cfg.Disk.MoveUp(next, partName)
	var at *fs.PathError
	if errors.Is(err, fs.ErrExist) && errors.As(err, &at) {
		return firmware.Failf(ota.UnpackFailed, "%s holds %s, which an earlier file of the package holds too", name,
			filepath.Base(at.Path))
	}
	return err
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
