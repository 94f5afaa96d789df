// Package slot installs a component that has two places, A and B, of which one
// runs: two partitions, or two image files, with a boot loader that chooses.
//
// One flow through it: Open first makes the boot loader's choice the running
// slot, for good, and takes the other slot's first bytes away, so that nothing
// can boot it; then the bytes of the new image stream straight into it. Stage
// reads the whole image back, verifies it and puts the first bytes in. Activate
// tells the boot loader to start that slot on trial, a few times at most, and
// asks for a restart of the system. Commit makes the choice permanent. When
// the trial's starts are used up the boot loader rolls back by itself: the agent
// then finds the old version running, and reports it. Revert chooses the old
// slot, which nothing has touched.
//
// Nothing is kept beside the slots but those first bytes and a small record. A
// compressed image waits at the end of its own slot, behind the room that it
// will need, and in the state directory only where it does not fit there. So does
// a patch. It starts from the image in the running slot, which is compared with
// the signed manifest before anything is fetched. Blocks that either slot has
// already are not fetched: those in the inactive one stay, and the running one is
// a firmware.Seed.
//
// The package does not find out what is in a slot that others wrote: without a
// version file it believes its record. It cannot tell what changed a slot that is
// mounted for writing, only that no patch starts from it any more.
package slot

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Slot is one of the two places.
type Slot int

// The two slots, in the order of Config.Devices.
const (
	A Slot = iota
	B
)

// Other is the slot that s is not.
func (s Slot) Other() Slot { return 1 - s }

// String is the slot's name, "a" or "b", for boot loaders and people alike.
func (s Slot) String() string { return [...]string{"a", "b"}[s] }

// parseSlot reads a slot's name.
func parseSlot(text string) (Slot, error) {
	for _, s := range []Slot{A, B} {
		if text == s.String() {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%q is not a slot; want a or b", text)
}

// Config describes the component.
type Config struct {
	// Devices are the two slots: block devices, or files of a fixed size.
	// Symbolic links are followed.
	Devices [2]string
	// Boot is the boot loader's memory.
	Boot Boot
	// Running finds the slot that runs.
	Running Finder
	// Tries is how often a new version may start on trial before the boot
	// loader rolls back, 1 to MaxTries.
	Tries int
	// Version is what the component is said to run until the first job is
	// opened; needed without VersionFile.
	Version string
	// VersionFile is a file of the running system whose first line is its
	// version. Empty for none: the record then says what each slot holds.
	VersionFile string
	// StateDir is the installer's own directory for this component, absolute.
	// It must not lie in a slot.
	StateDir string
	// Disk makes the changes; the zero Disk is the real one.
	Disk firmware.Disk
	// Logger receives what is unusual; nil discards.
	Logger *slog.Logger
}

// MaxTries bounds Config.Tries.
const MaxTries = 99

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var wrong firmware.Problems
	for _, device := range c.Devices {
		wrong.When(!filepath.IsAbs(device), "device %q is not an absolute path", device)
	}
	wrong.When(filepath.Clean(c.Devices[A]) == filepath.Clean(c.Devices[B]), "the two devices are one")
	wrong.When(c.Boot == nil, "no boot loader is given")
	wrong.When(c.Running == nil, "nothing finds the running slot")
	wrong.When(c.Tries < 1 || c.Tries > MaxTries, "%d tries are not within 1 to %d", c.Tries, MaxTries)
	wrong.When(c.VersionFile != "" && !filepath.IsAbs(c.VersionFile),
		"version file %q is not an absolute path", c.VersionFile)
	wrong.When(c.VersionFile == "" && !ota.ValidVersion(c.Version), "version %q is not a version of 1 to %d characters",
		c.Version, ota.MaxVersion)
	wrong.When(!filepath.IsAbs(c.StateDir), "state directory %q is not an absolute path", c.StateDir)
	return errors.Join(wrong...)
}

// Installer installs images into the slots of one component.
type Installer struct {
	cfg       Config
	workspace firmware.Workspace // for an encoded image that fits nowhere else
	log       *slog.Logger
}

// New makes the installer of one component. It touches no device.
func New(cfg Config) (*Installer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.StateDir = filepath.Clean(cfg.StateDir)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Installer{cfg: cfg, workspace: firmware.Workspace{Dir: cfg.StateDir, Disk: cfg.Disk}, log: cfg.Logger}, nil
}
