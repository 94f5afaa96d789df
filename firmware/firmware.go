// Package firmware is the contract between the agent and what it upgrades: an
// Installer changes one component, and every installer behaves the same way
// under restarts.
//
// One flow through it: Inspect says what runs; Open gives the inactive place
// into which the agent writes verified bytes; Stage turns those bytes into an
// image that is ready but not live; Activate makes it the one that runs next;
// after the restart it asked for and a passed health check, Commit makes it
// permanent. Revert undoes whatever of this was done and leaves the previous
// version running.
//
// Every method may be run again after a cut at any moment, and must then
// finish or start over. Package firmwaretest proves it for each installer.
//
// Beside the contract stands what installers share: a Disk whose changes are
// durable and can be cut by a test, a Workspace for the files of one job, Decode
// and Verify, CheckSpace, and Program for whatever the device's builder supplies.
//
// The contract does not download, verify signatures or decide: package
// download fills the places and package agent calls the steps.
package firmware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"otafleet/internal/ota"
)

// Installer changes one component. The agent calls one method at a time for a
// component. An error that is a *ota.Failure keeps its code; ErrRetry asks to be
// called again later; every other error is reported as installer_failed.
type Installer interface {
	// Inspect says what the component runs now. It changes nothing.
	Inspect(ctx context.Context) (Inspection, error)
	// Open gives the inactive place of each file of the job, in the order of
	// the manifest. Bytes written to a place of the same job earlier are still
	// there. Bytes of another job are not, unless the place keeps blocks that
	// were there before; they are worth only what their hashes say. It fails
	// with code space_low or too_large where the image cannot fit.
	Open(ctx context.Context, job Job) ([]Target, error)
	// Stage makes the written files ready to run, without touching what runs.
	Stage(ctx context.Context, job Job) error
	// Activate makes the staged version the one that runs next, and says which
	// restart that needs.
	Activate(ctx context.Context, job Job) (Restart, error)
	// Commit makes the running target version permanent.
	Commit(ctx context.Context, job Job) error
	// Revert leaves the version that ran before the job, at any moment of it
	// and after Commit, until another job is opened, which may need the room
	// of that version. It says which restart that needs, and says so again when
	// it is repeated. Nothing to undo is no error.
	Revert(ctx context.Context, job Job) (Restart, error)
}

// Job is one upgrade of one component. It is the same after every restart, but
// that Files may be missing from Activate on: what these steps need of the
// files, an installer keeps itself.
type Job struct {
	Component string
	Source    string // the version that runs before it
	Target    string // the version that shall run after it
	Files     []ota.File
}

// Inspection is what an installer finds.
type Inspection struct {
	Version  string // what runs now
	Capacity int64  // largest image in bytes; 0 for no limit but free space
}

// Target is the inactive place of one file. Writes are durable after Sync.
type Target interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes every finished write survive a power cut.
	Sync() error
}

// Seed is a Place that can show what the component runs now. The new version
// may have some of its blocks, which then need not be fetched.
type Seed interface {
	Target
	// Running gives the running version's bytes, which end with io.EOF; nil
	// where they cannot be read. It is valid until Close.
	Running() io.ReaderAt
}

// Restart is what must restart before a version runs.
type Restart string

// The three restarts.
const (
	RestartNone    Restart = "none"
	RestartProcess Restart = "process" // the agent itself
	RestartSystem  Restart = "system"  // the whole device
)

// Valid reports whether r is one of the three restarts.
func (r Restart) Valid() bool {
	return r == RestartNone || r == RestartProcess || r == RestartSystem
}

// ErrRetry says that a step cannot be done now and should be tried again later.
// The agent does so after 5 s, doubling to 5 min, for at most 24 h.
var ErrRetry = errors.New("try again later")

// Passes reports whether an error passes by itself: a step that asks to be tried
// again, or one for which too many files were open, here or in the system.
func Passes(err error) bool {
	return errors.Is(err, ErrRetry) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Failf makes an error that is reported with code.
func Failf(code ota.Code, format string, args ...any) error {
	return &ota.Failure{Code: code, Detail: fmt.Sprintf(format, args...)}
}
