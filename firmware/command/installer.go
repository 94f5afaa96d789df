package command

import (
	"context"
	"path/filepath"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// state is what the installer must know of the job that the handler was called
// for.
type state struct {
	Target string   `json:"target"`
	Files  []string `json:"files"`  // what the handler was given
	Staged bool     `json:"staged"` // stage has ended well
}

func (in *Installer) statePath() string { return filepath.Join(in.cfg.StateDir, "handler.json") }

// load reads the state of the job; nil if its stage was never called.
func (in *Installer) load(job firmware.Job) (*state, error) {
	s, err := in.record().Load()
	if err != nil || s == nil || s.Target != job.Target {
		return nil, err
	}
	return s, nil
}

func (in *Installer) record() firmware.Record[state] {
	return firmware.Record[state]{Path: in.statePath(), Disk: in.cfg.Disk, Logger: in.log}
}

// Inspect asks the handler. One that fails or does not answer is a silent
// component.
func (in *Installer) Inspect(ctx context.Context) (firmware.Inspection, error) {
	stdout, err := in.call(ctx, inspect, firmware.Job{}, nil)
	if err != nil {
		return firmware.Inspection{}, failure(ota.ComponentSilent, err)
	}
	if len(lastLine(stdout)) == 0 {
		return firmware.Inspection{}, firmware.Failf(ota.ComponentSilent, "the handler says nothing for inspect")
	}
	version, err := parseVersion(stdout)
	if err != nil {
		return firmware.Inspection{}, err
	}
	return firmware.Inspection{Version: version, Capacity: in.cfg.Capacity}, nil
}

// base asks the handler for the image that runs.
func (in *Installer) base(ctx context.Context) (*firmware.Base, error) {
	stdout, err := in.call(ctx, image, firmware.Job{}, nil)
	if err != nil {
		return nil, failure(ota.DeltaFailed, err)
	}
	path, err := parseImage(stdout)
	if err != nil {
		return nil, err
	}
	return firmware.OpenBase(path)
}

// Open opens files in the state directory.
func (in *Installer) Open(ctx context.Context, job firmware.Job) ([]firmware.Target, error) {
	if err := job.Validate(); err != nil {
		return nil, err
	}
	if err := job.CheckCapacity(in.cfg.Capacity); err != nil {
		return nil, err
	}
	if in.cfg.Patch {
		if err := job.CheckBase(ctx, in.base); err != nil {
			return nil, err
		}
	}
	if err := in.workspace.Begin(job, in.statePath(), in.work); err != nil {
		return nil, firmware.WriteFailure(err)
	}
	if err := firmware.CheckSpace(in.workspace.Needs(job)); err != nil {
		return nil, err
	}
	return in.workspace.Targets(job, nil)
}

// Stage verifies and decodes the files and hands them to the handler.
func (in *Installer) Stage(ctx context.Context, job firmware.Job) error {
	if err := job.Validate(); err != nil {
		return err
	}
	if err := in.workspace.MustHold(job); err != nil {
		return err
	}
	s := state{Target: job.Target}
	for i := range job.Files {
		path, err := in.workspace.Image(ctx, &job.Files[i])
		if err != nil {
			return err
		}
		s.Files = append(s.Files, path)
	}
	// From here on the handler may have something to undo.
	if err := in.record().Save(&s); err != nil {
		return err
	}
	if _, err := in.call(ctx, stage, job, s.Files); err != nil {
		return failure(ota.InstallerFailed, err)
	}
	s.Staged = true
	return in.record().Save(&s)
}

// Activate calls the handler, which must say what has to restart.
func (in *Installer) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	stdout, err := in.callStaged(ctx, activate, job)
	if err != nil {
		return "", err
	}
	return parseRestart(activate, stdout)
}

// Commit calls the handler and frees the package's files.
func (in *Installer) Commit(ctx context.Context, job firmware.Job) error {
	if _, err := in.callStaged(ctx, confirm, job); err != nil {
		return err
	}
	return firmware.WriteFailure(in.workspace.DropFiles())
}

// callStaged calls the handler for a verb that needs a staged job.
func (in *Installer) callStaged(ctx context.Context, v verb, job firmware.Job) ([]byte, error) {
	s, err := in.load(job)
	if err != nil {
		return nil, err
	}
	if s == nil || !s.Staged {
		return nil, firmware.Failf(ota.InstallerFailed, "cannot %s %s %s: it is not staged", v, job.Component, job.Target)
	}
	stdout, err := in.call(ctx, v, job, s.Files)
	return stdout, failure(ota.InstallerFailed, err)
}

// Revert calls the handler if its stage was ever called for the job: before
// that it has nothing to undo, and might undo an earlier job. The job's files
// are dropped; the handler's directory stays, so that revert can be repeated.
func (in *Installer) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	s, err := in.load(job)
	if err != nil {
		return "", err
	}
	restart := firmware.RestartNone
	if s != nil {
		stdout, err := in.call(ctx, revert, job, s.Files)
		if err != nil {
			return "", failure(ota.InstallerFailed, err)
		}
		if restart, err = parseRestart(revert, stdout); err != nil {
			return "", err
		}
	}
	return restart, in.workspace.DropOf(job)
}
