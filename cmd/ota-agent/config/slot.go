package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"otafleet/firmware/slot"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// SlotInstaller is the settings of a component with two slots.
type SlotInstaller struct {
	Devices     [2]string // slot a, slot b
	Boot        BootLoader
	BootFile    string // the boot loader's memory; what it is depends on Boot
	Running     string // a way of RunningWays, or the path of a file that names the slot
	Tries       int    // starts of a version on trial; default 3
	VersionFile string // empty for none
}

// BootLoader names what chooses the slot.
type BootLoader string

// The boot loaders.
const (
	BootUBoot BootLoader = "uboot" // BootFile is fw_env.config; empty for the programs' default
	BootGRUB  BootLoader = "grub"  // BootFile is the environment block
	BootFlag  BootLoader = "flag"  // BootFile is the flag file
)

// The ways to find the running slot.
const (
	RunningAuto    = "auto"    // RunningRoot, else RunningCmdline; the default
	RunningRoot    = "root"    // where the root file system is mounted from
	RunningCmdline = "cmdline" // what the kernel was given
)

const defaultGrubEnv = "/boot/grub/grubenv"

// readSlotInstaller gives nil where the component has no such settings.
func readSlotInstaller(m *yamlform.Map, in base) *SlotInstaller {
	s := &SlotInstaller{Running: RunningAuto, Tries: 3}
	m.Require("devices", "boot")
	in.devices(m, &s.Devices)
	yamlform.Enum(m, "boot", &s.Boot, BootUBoot, BootGRUB, BootFlag)
	in.path(m, "boot_file", &s.BootFile)
	switch {
	case s.Boot == BootFlag && m.Given() && !m.Has("boot_file"):
		m.Problemf("boot_file", "is missing; boot: flag needs the file that the boot loader reads")
	case s.Boot == BootGRUB && s.BootFile == "":
		s.BootFile = defaultGrubEnv
	}
	yamlform.Value(m, "running", &s.Running, func(text string) (string, error) {
		switch {
		case text == RunningAuto || text == RunningRoot || text == RunningCmdline:
			return text, nil
		case !strings.Contains(text, "/"): // a slip of the pen more likely than a file
			return "", yamlform.Words(filepath.IsAbs, "want auto, root, cmdline or a path with a / in it")(text)
		}
		return in.resolve(text)
	})
	checkMemory(m, s)
	m.Int("tries", &s.Tries, 1, slot.MaxTries)
	in.path(m, "version_file", &s.VersionFile)
	if !m.Given() {
		return nil
	}
	return s
}

// devices reads the paths of the two slots. They may come up later than the
// file is checked, or on another machine.
func (in base) devices(m *yamlform.Map, dst *[2]string) {
	var paths []string
	yamlform.Values(m, "devices", &paths, len(dst), len(dst), in.resolve)
	if len(paths) < len(dst) {
		return
	}
	*dst = [2]string(paths)
	if dst[0] == dst[1] {
		m.Problemf("devices", "are the same; want two slots")
		return
	}
	for _, path := range dst {
		in.device(m, path)
	}
	if err := slot.Apart(*dst); err != nil && in.run { // links may be right later; nothing is written meanwhile
		m.Warnf("devices", "cannot be upgraded now: %s", err)
	} else if err != nil {
		m.Problemf("devices", "%s", err)
	}
}

// device checks the path of a slot.
func (in base) device(m *yamlform.Map, path string) {
	switch info, err := os.Stat(path); {
	case err != nil:
		m.Warnf("devices", "cannot be upgraded now: %s", err)
	case info.IsDir():
		m.Problemf("devices", "%s is a directory; want block devices or image files", path)
	case !slot.KeepsBytes(info.Mode()):
		m.Problemf("devices", "%s is neither a block device nor a file; want block devices or image files", path)
	}
	kernelName := regexp.MustCompile(`^/dev/((sd|hd|vd|xvd)[a-z]+|(nvme\d+n|mmcblk)\d+p?)\d*$`)
	if kernelName.MatchString(path) {
		m.Warnf("devices",
			"%s may be another disk after a restart: the kernel counts disks as it finds them; want a link such as one of "+
				"/dev/disk/by-partuuid",
			path)
	}
}

// checkMemory looks whether the boot loader's memory could take a choice now.
func checkMemory(m *yamlform.Map, s *SlotInstaller) {
	var err error
	switch s.Boot {
	case BootGRUB:
		err = slot.GRUB{Path: s.BootFile}.Check()
	case BootFlag:
		if s.BootFile != "" && !isDir(filepath.Dir(s.BootFile)) {
			err = fmt.Errorf("%s is not a directory", filepath.Dir(s.BootFile))
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && m.Given() {
		m.Warnf("boot_file", "cannot be upgraded now: %s", err)
	}
}

// versionOfSlots checks that one of the two ways to know a version is given.
func versionOfSlots(m *yamlform.Map, c *Component) {
	if c.Slot != nil && c.Slot.VersionFile == "" && !ota.ValidVersion(c.Version) {
		m.Problemf("version", "is missing; without slot.version_file nothing says what runs before the first upgrade")
	}
}
