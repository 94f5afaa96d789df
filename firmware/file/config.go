// Package file installs a component that is one file, or one directory unpacked
// from archives, at a fixed path.
//
// One flow through it: the bytes of the new version stream into
// "<path>.ota-next", on the file system of the live file, so there is no second
// copy (encoded files and archives come to the state directory first). Stage
// checks the whole image, gives it the live file's owner and mode, and notes
// both versions in a small record. Activate exchanges the two names in one step,
// so that there is always a live file, calls the old one "<path>.ota-previous"
// and runs the After command. Revert exchanges them back. A patch is applied to
// the live file, which Open holds against the manifest before a byte of the patch
// is fetched.
//
// A file that the agent itself runs from (Restart is RestartProcess) is more: the
// new version may be unable to roll itself back. So from the switch until Commit
// or Revert the old one has a second name, "<path>.ota-trial". Whoever starts the
// agent counts in "<path>.ota-starts" and, when it has started too often, gives
// that file the name of the live one: a rename, which the old version then finds.
// packaging/launch does that. Where the program is sound and cannot start because
// of another file, RollBack does it.
//
// After a cut at any moment the names on the disk say how far it came: the
// record knows each version by inode and, where that has changed, by content,
// so it need not be written at the moment of the exchange. What is live and
// matches no version that the record knows is reported as "unknown".
//
// A directory is known by its inode, so that an application may write into it;
// a directory that was copied is known by its content.
//
// The package does not download, and does not unpack by itself: see Unpacker.
package file

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Config describes the component.
type Config struct {
	// Path is the live file or directory, absolute. Its directory must be
	// writable: the names Path.ota-next, -previous, -trial and -starts are used beside it.
	Path string
	// Version is what the component is said to run until the first job is staged.
	Version string
	// StateDir is the installer's own directory for this component, absolute.
	StateDir string
	// Unpack makes Path a directory, into which every file of a package is
	// unpacked. No two of them may have an entry of the same name at the top.
	Unpack bool
	// Unpacker unpacks; needed with Unpack.
	Unpacker Unpacker
	// Capacity is the largest image in bytes; 0 for no limit but free space.
	Capacity int64
	// After is a command with its arguments that is run after each switch, in
	// either direction, and again when a step is repeated. Empty for none.
	After []string
	// Check is a command with its arguments that looks at a new version before the
	// switch; Staged in them stands for its path. An exit code other than 0 refuses
	// it. Empty for none.
	Check []string
	// Device is the device whose component it is, for After and Check: OTA_DEVICE.
	Device string
	// CommandLimit is how long After and Check may each take; 0 for 2 min.
	CommandLimit time.Duration
	// Mode is what a new version gets; 0 for the live one's, or 0755.
	Mode fs.FileMode
	// Restart is needed before a new version runs; empty for none.
	Restart firmware.Restart
	// Disk makes the changes; the zero Disk is the real one.
	Disk firmware.Disk
	// Logger receives what is unusual; nil discards.
	Logger *slog.Logger
}

// Unpacker unpacks an archive. Package download has one.
type Unpacker interface {
	// Unpack unpacks the file at archive, whose format name tells by its
	// ending, into dir, which is empty or does not exist. It writes nothing
	// outside dir and bounds what it writes.
	Unpack(ctx context.Context, archive, name, dir string) error
}

// What the names beside a component's have at their ends.
const (
	NextSuffix     = ".ota-next"     // a new version that waits
	PreviousSuffix = ".ota-previous" // the version before
	TrialSuffix    = ".ota-trial"    // the same one, while a new agent is on trial
	startsSuffix   = ".ota-starts"   // how often that was started
)

// Staged stands for the path of the new version in the arguments of a Check.
const Staged = "{file}"

const (
	defaultLimit = 2 * time.Minute
	defaultMode  = 0o755
	modeBits     = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
)

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var wrong firmware.Problems
	wrong.When(!filepath.IsAbs(c.Path) || filepath.Clean(c.Path) == "/",
		"path %q is not the absolute path of a file", c.Path)
	wrong.When(!ota.ValidVersion(c.Version), "version %q is not a version of 1 to %d characters", c.Version,
		ota.MaxVersion)
	wrong.When(!filepath.IsAbs(c.StateDir), "state directory %q is not an absolute path", c.StateDir)
	wrong.When(c.Unpack && c.Unpacker == nil, "unpack is set, and this program has nothing to unpack with")
	wrong.When(c.Capacity < 0 || c.CommandLimit < 0, "a limit is negative")
	wrong.When(len(c.After) > 0 && c.After[0] == "", "after names no program")
	wrong.When(len(c.Check) > 0 && c.Check[0] == "", "check names no program")
	wrong.When(c.Mode&^modeBits != 0, "mode %v has more than permission bits", c.Mode)
	wrong.When(c.Restart != "" && !c.Restart.Valid(), "restart %q is not none, process or system", c.Restart)
	return errors.Join(wrong...)
}

// Installer installs the file or directory of one component.
type Installer struct {
	cfg       Config // with its defaults filled in
	next      string // where a new version waits
	previous  string // where the old one stays
	trial     string // second name of the old one, while the agent itself is on trial
	starts    string // where those are counted that the trial has taken
	workspace firmware.Workspace
	log       *slog.Logger
}

// beside are the names that a job may leave beside the live version.
func (in *Installer) beside() []string { return []string{in.next, in.previous, in.trial, in.starts} }

// New makes the installer of one component. It touches no file.
func New(cfg Config) (*Installer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Path, cfg.StateDir = filepath.Clean(cfg.Path), filepath.Clean(cfg.StateDir)
	if cfg.CommandLimit == 0 {
		cfg.CommandLimit = defaultLimit
	}
	if cfg.Restart == "" {
		cfg.Restart = firmware.RestartNone
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Installer{
		cfg:       cfg,
		next:      cfg.Path + NextSuffix,
		previous:  cfg.Path + PreviousSuffix,
		trial:     cfg.Path + TrialSuffix,
		starts:    cfg.Path + startsSuffix,
		workspace: firmware.Workspace{Dir: cfg.StateDir, Disk: cfg.Disk},
		log:       cfg.Logger,
	}, nil
}
