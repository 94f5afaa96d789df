package slot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"otafleet/internal/files"
)

// Finder finds the slot that runs.
type Finder interface {
	Running() (Slot, error)
}

// Finders asks one after the other, and takes the first answer.
type Finders []Finder

// Running asks.
func (all Finders) Running() (Slot, error) {
	var problems []error
	for _, f := range all {
		s, err := f.Running()
		if err == nil {
			return s, nil
		}
		problems = append(problems, err)
	}
	return 0, fmt.Errorf("cannot find the running slot: %w", errors.Join(problems...))
}

// NamedIn is a file that the boot loader or the initramfs writes at each start,
// with the name of the slot that it started: "a" or "b".
type NamedIn string

// Running reads the file.
func (path NamedIn) Running() (Slot, error) {
	data, err := files.Read(string(path), maxFlag)
	if err != nil {
		return 0, fmt.Errorf("cannot read the name of the running slot: %w", err)
	}
	s, err := parseSlot(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", string(path), err)
	}
	return s, nil
}

// RootDevice is the slot from which the root file system is mounted, directly,
// through a loop device or through a device mapper such as dm-verity.
type RootDevice struct{ Devices [2]string }

// Running looks where the root file system comes from.
func (r RootDevice) Running() (Slot, error) {
	info, err := os.Stat("/")
	if err != nil {
		return 0, err
	}
	return whichDevice(r.Devices, "/sys", uint64(info.Sys().(*syscall.Stat_t).Dev), maxLayers)
}

// maxLayers bounds how many block devices are looked for below another one.
const maxLayers = 4

// whichDevice is the slot that lies under the block device with a number.
func whichDevice(devices [2]string, sys string, device uint64, layers int) (Slot, error) {
	for s, path := range devices {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeDevice != 0 &&
			uint64(info.Sys().(*syscall.Stat_t).Rdev) == device {
			return Slot(s), nil
		}
	}
	dir := filepath.Join(sys, "dev/block", fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device)))
	if file := backingFile(dir); file != "" {
		return whichPath(devices, file)
	}
	below, err := os.ReadDir(filepath.Join(dir, "slaves"))
	if err != nil || len(below) != 1 || layers == 0 {
		return 0, fmt.Errorf("the root file system is on device %d:%d, which is neither slot", unix.Major(device),
			unix.Minor(device))
	}
	number, err := readNumber(filepath.Join(dir, "slaves", below[0].Name(), "dev"))
	if err != nil {
		return 0, err
	}
	return whichDevice(devices, sys, number, layers-1)
}

// CommandLine is the slot that the kernel's command line names: as
// ota.slot=NAME, or as root= with the device, its UUID, label or partition.
type CommandLine struct {
	Devices [2]string
	Path    string // of the command line; empty for /proc/cmdline
	Links   string // where udev names devices; empty for /dev/disk
}

// Running reads the command line. As for the kernel, the last of several
// parameters counts.
func (c CommandLine) Running() (Slot, error) {
	if c.Path == "" {
		c.Path = "/proc/cmdline"
	}
	const limit = 64 << 10
	data, err := files.Read(c.Path, limit)
	if err != nil {
		return 0, err
	}
	var named, root string
	for parameter := range strings.FieldsSeq(string(data)) {
		if value, is := strings.CutPrefix(parameter, "ota.slot="); is {
			named = value
		}
		if value, is := strings.CutPrefix(parameter, "root="); is {
			root = value
		}
	}
	switch {
	case named != "":
		return parseSlot(named)
	case root == "":
		return 0, errors.New("the kernel's command line names neither ota.slot nor root")
	}
	return whichPath(c.Devices, c.device(root))
}

// device is the path of a root device as the kernel's command line names it.
func (c CommandLine) device(root string) string {
	links := c.Links
	if links == "" {
		links = "/dev/disk"
	}
	root = strings.Trim(root, `"`)
	if kind, name, is := strings.Cut(root, "="); is {
		return filepath.Join(links, "by-"+strings.ToLower(kind), filepath.Base(name))
	}
	return root
}

// whichPath is the slot that a path leads to.
func whichPath(devices [2]string, path string) (Slot, error) {
	want, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("cannot find the root device: %w", err)
	}
	for s, device := range devices {
		info, err := os.Stat(device)
		if err != nil {
			continue
		}
		if os.SameFile(info, want) || sameDevice(info, want) {
			return Slot(s), nil
		}
	}
	return 0, fmt.Errorf("the root device %s is neither slot", path)
}

// sameDevice reports whether two nodes are one block device.
func sameDevice(a, b os.FileInfo) bool {
	return a.Mode()&os.ModeDevice != 0 && b.Mode()&os.ModeDevice != 0 &&
		a.Sys().(*syscall.Stat_t).Rdev == b.Sys().(*syscall.Stat_t).Rdev
}
