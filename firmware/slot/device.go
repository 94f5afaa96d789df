package slot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// KeepsBytes reports whether a mode is that of what can be a slot: a block device or
// a file.
func KeepsBytes(mode fs.FileMode) bool {
	return mode.IsRegular() || mode.Type() == fs.ModeDevice
}

var errNoSlot = errors.New("is neither a block device nor a file")

// openSlot opens a slot, or its head, for reading.
func openSlot(path string) (*os.File, error) {
	f, err := files.OpenKind(path, KeepsBytes)
	if errors.Is(err, files.ErrNotFile) {
		return nil, fmt.Errorf("%s %w", path, errNoSlot)
	}
	return f, err
}

// Size is the size of a device or file that is a slot, in bytes: the largest image
// that it can take.
func Size(device string) (int64, error) {
	f, err := openSlot(device)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("cannot find the size of %s: %w", device, err)
	}
	return size, nil
}

// Apart says why two paths cannot be two slots: they lead to one device or file, or
// to one through loop devices, or one of them is a part of the other. Names say
// nothing of that. It is nil too where one of them is not there.
func Apart(devices [2]string) error { return apart("/sys", devices) }

func apart(sys string, devices [2]string) error {
	var all [2]extents
	for s, path := range devices {
		info, err := os.Stat(path)
		if err != nil {
			return nil
		}
		all[s] = extentsOf(sys, info, maxLayers)
	}
	if all[A].overlaps(all[B]) {
		return fmt.Errorf("%s and %s are one device; a slot of its own is needed for each version", devices[A], devices[B])
	}
	return nil
}

// extent is a part of a file or of a block device, in bytes.
type extent struct {
	device   bool   // of a block device: number counts, else inode too
	number   uint64 // of the device, or of that with the file
	inode    uint64
	from, to int64
}

func (e extent) overlaps(other extent) bool {
	return e.device == other.device && e.number == other.number && e.inode == other.inode && e.from < other.to &&
		other.from < e.to
}

// part is the length bytes of e that begin at from; 0 for all that follow.
func (e extent) part(from, length int64) extent {
	part := e
	part.from = min(e.from+max(from, 0), e.to)
	if length > 0 {
		part.to = min(part.to, part.from+length)
	}
	return part
}

// extents are where the bytes of a slot lie: the first one has them all, the others
// have them among those of other devices of a device mapper.
type extents []extent

func (e extents) overlaps(other extents) bool {
	for i, mine := range e {
		for j, its := range other {
			// Two volumes of one group are apart although they lie on one disk.
			if (i == 0 || j == 0) && mine.overlaps(its) {
				return true
			}
		}
	}
	return false
}

// extentsOf finds where the bytes of a file or device lie.
func extentsOf(sys string, info os.FileInfo, layers int) extents {
	stat := info.Sys().(*syscall.Stat_t)
	if info.Mode()&os.ModeDevice != 0 {
		return deviceExtents(sys, uint64(stat.Rdev), layers)
	}
	return extents{{number: uint64(stat.Dev), inode: stat.Ino, to: math.MaxInt64}}
}

// deviceExtents looks below partitions, loop devices and device mappers. What
// cannot be read of them is not looked below.
func deviceExtents(sys string, number uint64, layers int) extents {
	whole := extents{{device: true, number: number, to: math.MaxInt64}}
	if layers == 0 {
		return whole
	}
	dir := filepath.Join(sys, "dev/block", fmt.Sprintf("%d:%d", unix.Major(number), unix.Minor(number)))
	if disk, err := readNumber(dir + "/../dev"); err == nil && hasFile(dir+"/partition") {
		const sector = 512
		below := deviceExtents(sys, disk, layers-1)
		below[0] = below[0].part(readInt(dir+"/start")*sector, readInt(dir+"/size")*sector)
		return below
	}
	if info, err := os.Stat(backingFile(dir)); err == nil {
		below := extentsOf(sys, info, layers-1)
		below[0] = below[0].part(readInt(dir+"/loop/offset"), readInt(dir+"/loop/sizelimit"))
		return below
	}
	slaves, _ := os.ReadDir(dir + "/slaves")
	for _, slave := range slaves {
		if below, err := readNumber(filepath.Join(dir, "slaves", slave.Name(), "dev")); err == nil {
			whole = append(whole, deviceExtents(sys, below, layers-1)...)
		}
	}
	return whole
}

// backingFile is the file that a loop device shows; empty for other devices.
func backingFile(dir string) string {
	file, err := os.ReadFile(filepath.Join(dir, "loop/backing_file"))
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(file), "\n")
}

func hasFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readInt reads a number of sysfs; 0 where there is none.
func readInt(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// readNumber reads the number of a device, as sysfs writes it.
func readNumber(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	number, err := parseNumber(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("cannot understand the number of a device in %s: %w", path, err)
	}
	return number, nil
}

// parseNumber reads the number of a device, such as 259:2.
func parseNumber(text string) (uint64, error) {
	first, second, _ := strings.Cut(text, ":")
	major, err := strconv.ParseUint(first, 10, 32)
	minor, alsoErr := strconv.ParseUint(second, 10, 32)
	return unix.Mkdev(uint32(major), uint32(minor)), errors.Join(err, alsoErr)
}

// mustBeFree refuses a slot that must not be written to: one that is the other slot
// too, that the system runs from whatever the Finder says, or that is mounted. The
// kernel itself refuses only block devices that are mounted.
func (in *Installer) mustBeFree(slot Slot) error {
	path := in.cfg.Devices[slot]
	if err := Apart(in.cfg.Devices); err != nil {
		return firmware.Failf(ota.InstallerFailed, "%v", err)
	}
	if root, err := (RootDevice{Devices: in.cfg.Devices}).Running(); err == nil && root == slot {
		return firmware.Failf(ota.InstallerFailed, "slot %s is in use: the root file system is mounted from %s", slot, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot find slot %s: %w", slot, err)
	}
	if !KeepsBytes(info.Mode()) {
		return fmt.Errorf("slot %s: %s %w", slot, path, errNoSlot)
	}
	if device := busyLoop("/sys", "/dev", info); device != "" {
		return firmware.Failf(ota.InstallerFailed, "slot %s is in use: %s is mounted through %s", slot, path, device)
	}
	return nil
}

// busyLoop is a loop device over a slot that is in use; empty for none. The device
// that is the slot itself is left to the kernel.
func busyLoop(sys, dev string, slot os.FileInfo) string {
	mine := extentsOf(sys, slot, maxLayers)
	loops, _ := filepath.Glob(filepath.Join(sys, "block/loop*"))
	for _, loop := range loops {
		number, err := readNumber(loop + "/dev")
		if err != nil || slot.Mode()&os.ModeDevice != 0 && number == uint64(slot.Sys().(*syscall.Stat_t).Rdev) {
			continue
		}
		if backingFile(loop) == "" || !deviceExtents(sys, number, maxLayers).overlaps(mine) {
			continue
		}
		path := filepath.Join(dev, filepath.Base(loop))
		// open(2): O_EXCL without O_CREAT fails where the device is in use.
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK, 0)
		if err != nil {
			return path
		}
		_ = f.Close() // nothing was written to it
	}
	return ""
}
