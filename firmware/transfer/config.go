// Package transfer installs a component that has no second place for its
// firmware: an MCU or a module to which the whole image is sent, and which runs
// it from then on. What speaks to the component is a Driver.
//
// One flow through it: the image comes to the state directory; Stage verifies
// and decodes it; Activate sends it and waits until the component says what it
// runs. The rollback is the same way: the image of the version that ran before
// is kept, and Revert sends it again. So an image stays on the device until
// another job has taken its place.
//
// The image of the version that a component runs when it comes from the factory
// is the device builder's to supply (Factory); without it the first upgrade
// cannot be rolled back. After a cut in the middle of a transfer it is unknown
// what the component holds, so the transfer begins anew, whatever it says it
// runs.
//
// The package opens no port and knows no protocol.
package transfer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Driver speaks to one component. Its errors keep their codes; others are
// reported as installer_failed.
type Driver interface {
	// Version asks the component what it runs.
	Version(ctx context.Context) (string, error)
	// Send gives the component an image and makes it run it. It may return
	// before the component has started. begin is called before the first thing
	// that cannot be rolled back by leaving it at that; its error ends the call.
	Send(ctx context.Context, image Image, begin func() error) error
}

// Image is a verified image on the disk.
type Image struct {
	io.ReaderAt
	Name    string // of the file in the package
	Source  string // version that ran before; empty if unknown
	Version string
	Size    int64
	SHA256  ota.Digest
	// Begun says that the component may still be busy with an image that it was
	// given before the agent was started anew.
	Begun bool
}

// Config describes a component.
type Config struct {
	// Component is the component's id.
	Component string
	// StateDir is the installer's own directory for this component, absolute.
	StateDir string
	Driver   Driver
	// Factory is what runs before the first upgrade; the zero Factory is
	// unknown.
	Factory Factory
	// OneWay says that an image cannot be sent again to roll back, because it is
	// made for one version to start from. None is kept then.
	OneWay bool
	// Tries is how often an image is sent if sending fails; 0 for 3.
	Tries int
	// StartLimit is how long a component may take to say what it runs, after an
	// image was sent; 0 for 30 s.
	StartLimit time.Duration
	// Pause is between two questions or two tries; 0 for 1 s.
	Pause time.Duration
	// Capacity is the largest image in bytes; 0 for no limit but free space.
	Capacity int64
	// Disk makes the installer's own changes; the zero Disk is the real one.
	Disk firmware.Disk
	// Logger receives a line for each transfer; nil discards.
	Logger *slog.Logger
}

// Factory is a version and the file with its image, absolute.
type Factory struct{ Version, Path string }

const (
	defaultTries      = 3
	defaultStartLimit = 30 * time.Second
	defaultPause      = time.Second
)

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var wrong firmware.Problems
	wrong.When(!ota.ValidComponentID(c.Component), "component %q is not a component id", c.Component)
	wrong.When(!filepath.IsAbs(c.StateDir), "state directory %q is not an absolute path", c.StateDir)
	wrong.When(c.Driver == nil, "there is no driver")
	wrong.When(c.Factory != Factory{} && !ota.ValidVersion(c.Factory.Version), "factory version %q is not a version",
		c.Factory.Version)
	wrong.When(c.Factory != Factory{} && !filepath.IsAbs(c.Factory.Path), "factory image %q is not an absolute path",
		c.Factory.Path)
	wrong.When(min(c.StartLimit, c.Pause) < 0, "a time is negative")
	wrong.When(c.Tries < 0 || c.Capacity < 0, "a count or size is negative")
	return errors.Join(wrong...)
}

// Installer installs one component through its driver.
type Installer struct {
	cfg       Config
	workspace firmware.Workspace
	log       *slog.Logger
}

// New makes the installer of one component. It touches nothing.
func New(cfg Config) (*Installer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Tries == 0 {
		cfg.Tries = defaultTries
	}
	if cfg.StartLimit == 0 {
		cfg.StartLimit = defaultStartLimit
	}
	if cfg.Pause == 0 {
		cfg.Pause = defaultPause
	}
	return &Installer{
		cfg: cfg, workspace: firmware.Workspace{Dir: cfg.StateDir, Disk: cfg.Disk},
		log: cfg.Logger.With("component", cfg.Component),
	}, nil
}
