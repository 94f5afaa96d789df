// Package command installs a component by means of a handler: an executable
// that knows the component, called once for each step as
//
//	HANDLER inspect|image|stage|activate|confirm|revert
//
// One flow through it: the files of a package come to the state directory;
// Stage verifies and decodes them and calls the handler with their paths;
// Activate and Commit call it again, and Revert calls it if Stage ever did. A
// verb may be called again after a cut and must then finish or start over.
//
// The handler finds in its environment OTA_DEVICE, OTA_COMPONENT, OTA_SOURCE,
// OTA_TARGET, OTA_FILES (absolute paths, one a line) and OTA_WORK_DIR, a directory of its
// own that lasts until another job begins, and is its working directory. For
// inspect, which belongs to no job, source, target and files are empty. The
// files are there in stage and activate. A patch (bsdiff) comes as it is, unless
// Config.Patch says that the installer applies it: it then asks the handler for
// the image that runs, with the verb image, first before the download, and the
// handler gets the new image.
// Beside these it has PATH and HOME of the agent, and nothing else.
//
// The last line that it prints on stdout is a JSON object: for inspect
// {"version":"1.0.0"}, for image {"image":"/path"}, for activate
// {"restart":"none|process|system"}, which revert may print too. Exit code 0 means done, 75 try again later, anything
// else failed; the end of stderr becomes the error's detail.
//
// The package knows nothing of any component, and trusts the handler.
package command

import (
	"cmp"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Config describes a component and its handler.
type Config struct {
	// Component is the component's id.
	Component string
	// Device is the device whose component it is, for the handler: it may serve
	// several.
	Device string
	// Path is the handler, absolute.
	Path string
	// StateDir is the installer's own directory for this component, absolute.
	StateDir string
	// Limits bound each verb.
	Limits Limits
	// Grace is given to a handler between SIGTERM and SIGKILL; 0 for 5 s.
	Grace time.Duration
	// Capacity is the largest image in bytes; 0 for no limit but free space.
	Capacity int64
	// Patch applies patches to the image that the handler's verb image gives.
	// Without it patches are the handler's.
	Patch bool
	// Disk makes the installer's own changes; the zero Disk is the real one.
	Disk firmware.Disk
	// Logger receives a line for each call; nil discards.
	Logger *slog.Logger
}

// Limits are the times that each verb may take. 0 stands for 1 min for inspect
// and 30 min for the others.
type Limits struct {
	Inspect, Image, Stage, Activate, Confirm, Revert time.Duration
}

const (
	defaultInspectLimit = time.Minute
	defaultLimit        = 30 * time.Minute
)

// verb is a step of a handler.
type verb string

const (
	inspect  verb = "inspect"
	image    verb = "image"
	stage    verb = "stage"
	activate verb = "activate"
	confirm  verb = "confirm"
	revert   verb = "revert"
)

func (l Limits) of(v verb) time.Duration {
	var limit time.Duration
	switch v {
	case inspect:
		return cmp.Or(l.Inspect, defaultInspectLimit)
	case image:
		limit = l.Image
	case stage:
		limit = l.Stage
	case activate:
		limit = l.Activate
	case confirm:
		limit = l.Confirm
	case revert:
		limit = l.Revert
	}
	return cmp.Or(limit, defaultLimit)
}

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var wrong firmware.Problems
	l := c.Limits
	wrong.When(!ota.ValidComponentID(c.Component), "component %q is not a component id", c.Component)
	wrong.When(!filepath.IsAbs(c.Path), "handler %q is not an absolute path", c.Path)
	wrong.When(!filepath.IsAbs(c.StateDir), "state directory %q is not an absolute path", c.StateDir)
	wrong.When(min(l.Inspect, l.Image, l.Stage, l.Activate, l.Confirm, l.Revert, c.Grace) < 0, "a time limit is negative")
	wrong.When(c.Capacity < 0, "capacity %d is negative", c.Capacity)
	return errors.Join(wrong...)
}

// Installer installs one component through its handler.
type Installer struct {
	cfg       Config
	work      string // the handler's own directory
	workspace firmware.Workspace
	log       *slog.Logger
}

// New makes the installer of one component. It touches no file.
func New(cfg Config) (*Installer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	in := &Installer{
		cfg:       cfg,
		work:      filepath.Join(cfg.StateDir, "work"),
		workspace: firmware.Workspace{Dir: cfg.StateDir, Disk: cfg.Disk},
		log:       cfg.Logger.With("component", cfg.Component),
	}
	if cfg.Patch {
		in.workspace.Base = in.base
	}
	return in, nil
}
