package slot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// headSize is how many of a slot's first bytes are kept out of it until it is
// whole. It covers where every usual file system, partition table and kernel
// image tells what it is; the last of them is that of btrfs, at 64 KiB.
const headSize = 128 << 10

// image is the inactive slot with its first headSize bytes in a file of their
// own, seen as one.
type image struct {
	head, rest           *firmware.File
	headDirty, restDirty bool // written and not synced
}

func (in *Installer) headPath() string { return filepath.Join(in.cfg.StateDir, "head") }

// hasHead reports whether the head of the job's image is there.
func (in *Installer) hasHead() bool {
	info, err := os.Lstat(in.headPath())
	return err == nil && info.Mode().IsRegular()
}

// openImage opens a slot for writing.
func (in *Installer) openImage(slot Slot) (*image, error) {
	rest, err := in.openDevice(slot)
	if err != nil {
		return nil, err
	}
	head, err := in.cfg.Disk.Open(in.headPath())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the head of slot %s: %w", slot, err), rest.Close())
	}
	return &image{head: head, rest: rest}, nil
}

// openDevice opens a slot for writing. A block device that is mounted is
// refused by the kernel: it runs, whatever the Finder says.
func (in *Installer) openDevice(slot Slot) (*firmware.File, error) {
	path, err := in.device(slot)
	if err != nil {
		return nil, err
	}
	if err := in.mustBeFree(slot); err != nil {
		return nil, err
	}
	f, err := in.cfg.Disk.OpenDevice(path)
	if errors.Is(err, unix.EBUSY) {
		return nil, firmware.Failf(ota.InstallerFailed, "slot %s is in use: %s is mounted", slot, path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open slot %s: %w", slot, err)
	}
	return f, nil
}

// device is a slot's path without symbolic links.
func (in *Installer) device(slot Slot) (string, error) {
	path, err := filepath.EvalSymlinks(in.cfg.Devices[slot])
	if err != nil {
		return "", fmt.Errorf("cannot find slot %s: %w", slot, err)
	}
	return path, nil
}

// capacity is a slot's size in bytes.
func (in *Installer) capacity(slot Slot) (int64, error) {
	size, err := Size(in.cfg.Devices[slot])
	if err != nil {
		return 0, fmt.Errorf("cannot open slot %s: %w", slot, err)
	}
	return size, nil
}

// parts splits what is read or written at an offset between head and rest.
func parts(p []byte, off int64) (head, rest []byte) {
	n := min(max(0, headSize-off), int64(len(p)))
	return p[:n], p[n:]
}

// ReadAt reads as os.File does.
func (i *image) ReadAt(p []byte, off int64) (int, error) {
	return readParts{i.head, i.rest}.ReadAt(p, off)
}

// WriteAt writes as os.File does.
func (i *image) WriteAt(p []byte, off int64) (int, error) {
	head, rest := parts(p, off)
	n, err := 0, error(nil)
	if len(head) > 0 {
		i.headDirty = true
		n, err = i.head.WriteAt(head, off)
	}
	if err != nil || len(rest) == 0 {
		return n, err
	}
	i.restDirty = true
	m, err := i.rest.WriteAt(rest, off+int64(n))
	return n + m, err
}

// Sync makes every write durable.
func (i *image) Sync() error {
	if i.headDirty {
		if err := i.head.Sync(); err != nil {
			return err
		}
		i.headDirty = false
	}
	if i.restDirty {
		if err := i.rest.Sync(); err != nil {
			return err
		}
		i.restDirty = false
	}
	return nil
}

// Close closes both parts.
func (i *image) Close() error { return errors.Join(i.head.Close(), i.rest.Close()) }

// detach takes the first bytes of a slot away, so that nothing can boot it, and
// keeps them: they may be those of the new image.
func (in *Installer) detach(slot Slot) error {
	device, err := in.openDevice(slot)
	if err != nil {
		return err
	}
	return errors.Join(in.moveHead(device), device.Close())
}

func (in *Installer) moveHead(device *firmware.File) error {
	head := make([]byte, headSize)
	n, err := device.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot read the head of the slot: %w", err)
	}
	head = head[:n] // a slot may be smaller
	if err := in.cfg.Disk.Replace(in.headPath(), head); err != nil {
		return fmt.Errorf("cannot keep the head of the slot: %w", err)
	}
	clear(head)
	if _, err := device.WriteAt(head, 0); err != nil {
		return fmt.Errorf("cannot clear the head of the slot: %w", err)
	}
	return device.Sync()
}

// attach puts the kept bytes into a slot that is whole otherwise, and reads them
// back from the device.
func (in *Installer) attach(slot Slot) error {
	head, err := files.Read(in.headPath(), headSize)
	if err != nil {
		return fmt.Errorf("cannot read the head of the image: %w", err)
	}
	device, err := in.openDevice(slot)
	if err != nil {
		return err
	}
	_, err = device.WriteAt(head, 0)
	if err == nil {
		err = device.Sync()
	}
	if err = errors.Join(err, device.Close()); err != nil {
		return fmt.Errorf("cannot write the head of slot %s: %w", slot, err)
	}
	return in.verifyHead(slot, head)
}

func (in *Installer) verifyHead(slot Slot, head []byte) error {
	device, err := in.fromDevice(in.cfg.Devices[slot])
	if err != nil {
		return err
	}
	defer device.Close()
	found := make([]byte, len(head))
	if _, err := device.ReadAt(found, 0); err != nil {
		return fmt.Errorf("cannot read the head of slot %s: %w", slot, err)
	}
	if string(found) != string(head) {
		return firmware.Failf(ota.WriteFailed, "slot %s does not hold what was written to it", slot)
	}
	return nil
}

// verify reads a whole image back, its head from the file.
func (in *Installer) verify(ctx context.Context, slot Slot, file *ota.File) error {
	rest, err := in.fromDevice(in.cfg.Devices[slot])
	if err != nil {
		return err
	}
	defer rest.Close()
	head, err := in.fromDevice(in.headPath())
	if err != nil {
		return err
	}
	defer head.Close()
	want := file.Image()
	whole := io.NewSectionReader(readParts{head, rest}, 0, want.Size) // the slot goes on behind the image
	return firmware.Verify(ctx, file.Name, whole, want)
}

// fromDevice opens what is at path so that it is read from the device and not
// from the memory that it was written through.
func (in *Installer) fromDevice(path string) (*os.File, error) {
	f, err := openSlot(path)
	if err != nil {
		return nil, err
	}
	// Only advice, and only pages already synced are dropped: no error matters.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	return f, nil
}

// readParts is an image that is only read.
type readParts struct{ head, rest io.ReaderAt }

func (r readParts) ReadAt(p []byte, off int64) (int, error) {
	head, rest := parts(p, off)
	n, err := 0, error(nil)
	if len(head) > 0 {
		n, err = r.head.ReadAt(head, off)
	}
	if err != nil || len(rest) == 0 {
		return n, err
	}
	m, err := r.rest.ReadAt(rest, off+int64(n))
	return n + m, err
}
