package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Inspect says which version is live.
func (in *Installer) Inspect(ctx context.Context) (firmware.Inspection, error) {
	rec, err := in.record().Load()
	if err != nil {
		return firmware.Inspection{}, err
	}
	version, err := in.version(ctx, rec)
	if err != nil {
		return firmware.Inspection{}, err
	}
	return firmware.Inspection{Version: version, Capacity: in.cfg.Capacity}, nil
}

// Open opens "<path>.ota-next" itself for a plain file, and files in the state
// directory for what must be decoded or unpacked first. The previous version
// of an earlier job makes room for the new one.
func (in *Installer) Open(ctx context.Context, job firmware.Job) ([]firmware.Target, error) {
	if err := in.accept(job); err != nil {
		return nil, err
	}
	if err := job.CheckBase(ctx, in.base); err != nil {
		return nil, err
	}
	if err := in.begin(ctx, job); err != nil {
		return nil, firmware.WriteFailure(err)
	}
	if err := firmware.CheckSpace(in.needs(job)); err != nil {
		return nil, err
	}
	if in.direct(job) {
		return in.workspace.Targets(job, func(string) string { return in.next })
	}
	return in.workspace.Targets(job, nil)
}

// accept refuses a job that this installer cannot do.
func (in *Installer) accept(job firmware.Job) error {
	if err := job.Validate(); err != nil {
		return err
	}
	if len(job.Files) > 1 && !in.cfg.Unpack {
		return firmware.Failf(ota.ManifestMismatch,
			"%s is one file, the package has %d; only a component with unpack takes more", in.cfg.Path, len(job.Files))
	}
	if in.cfg.Unpack {
		// What runs is a directory, and no image of it is kept.
		if err := job.RefuseDeltas(); err != nil {
			return err
		}
	}
	return job.CheckCapacity(in.cfg.Capacity)
}

// base opens the live file, from which patches start.
func (in *Installer) base(context.Context) (*firmware.Base, error) {
	return firmware.OpenBase(in.cfg.Path)
}

// begin makes the inactive place belong to the job.
func (in *Installer) begin(ctx context.Context, job firmware.Job) error {
	rec, err := in.record().Load()
	if err != nil {
		return err
	}
	held, err := in.workspace.Holds(job)
	if err != nil {
		return err
	}
	if held && rec.belongs(job) && rec.Activated {
		// After a cut within Activate the old version may still have the name
		// of the place.
		return in.keepSource(ctx, rec)
	}
	if !held && rec != nil {
		// The record first gives up the previous version, which is dropped then.
		version, err := in.version(ctx, rec)
		if err != nil {
			return err
		}
		live, err := in.describe(ctx, in.cfg.Path, version)
		if err != nil {
			return err
		}
		if err := in.record().Save(&record{Source: live}); err != nil {
			return err
		}
	}
	if err := in.workspace.Begin(job, in.beside()...); err != nil || held {
		return err
	}
	return in.trySwitch()
}

// direct reports whether the job's bytes are the image, so that they can be
// written where it shall be.
func (in *Installer) direct(job firmware.Job) bool {
	return !in.cfg.Unpack && job.Files[0].Encoding == ota.Plain
}

// needs is what the job occupies. How much an archive holds is not known
// before it is unpacked; it is at least its own size.
func (in *Installer) needs(job firmware.Job) []firmware.Need {
	if in.direct(job) {
		return []firmware.Need{{Path: in.next, Size: job.Files[0].Size}}
	}
	var images int64
	for i := range job.Files {
		images += job.Files[i].Image().Size
	}
	next := firmware.Need{Path: in.next, Size: images}
	if in.cfg.Unpack {
		return append(in.workspace.Needs(job), next)
	}
	transferred := firmware.Need{Path: in.workspace.Path(job.Files[0].Name), Size: job.Files[0].Size}
	return []firmware.Need{transferred, next}
}

// Stage turns the written bytes into a verified image at "<path>.ota-next".
func (in *Installer) Stage(ctx context.Context, job firmware.Job) error {
	if err := in.accept(job); err != nil {
		return err
	}
	rec, err := in.record().Load()
	if err != nil {
		return err
	}
	done, err := in.staged(ctx, rec, job)
	if err != nil {
		return err
	}
	if !done {
		if err := in.workspace.MustHold(job); err != nil {
			return err
		}
		if err := in.make(ctx, rec, job); err != nil {
			return firmware.WriteFailure(err)
		}
	}
	return in.check(ctx)
}

// make builds the image and notes it.
func (in *Installer) make(ctx context.Context, rec *record, job firmware.Job) error {
	next, err := in.build(ctx, job)
	if err != nil {
		return err
	}
	defer next.Close() // it is durable
	if err := in.finishNext(next); err != nil {
		return err
	}
	return in.note(ctx, rec, job, next)
}

// check lets the configured command look at the staged image. What it changes of
// a file is found before the switch.
func (in *Installer) check(ctx context.Context) error {
	if len(in.cfg.Check) == 0 || !isThere(in.next) {
		return nil
	}
	args := make([]string, len(in.cfg.Check))
	for i, arg := range in.cfg.Check {
		args[i] = strings.ReplaceAll(arg, Staged, in.next)
	}
	if err := in.command(ctx, args); err != nil {
		return fmt.Errorf("the check refuses the new version: %w", err)
	}
	return nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// staged reports whether the job's image is ready already, or live. An image of
// the right content that is not the very one is made ready again.
func (in *Installer) staged(ctx context.Context, rec *record, job firmware.Job) (bool, error) {
	if !rec.belongs(job) || rec.Job != job.ID() {
		return false, nil
	}
	if id, err := identify(in.next); err == nil && id.is(rec.Target.Identity) {
		return true, nil
	}
	return in.holds(ctx, in.cfg.Path, rec.Target, rec.Source)
}

// build makes the image, verified, and gives it open: from here on it is known by
// its descriptor, since names can be moved by whoever owns the directory.
func (in *Installer) build(ctx context.Context, job firmware.Job) (*os.File, error) {
	if in.cfg.Unpack {
		return in.unpack(ctx, job)
	}
	file := &job.Files[0]
	var next *os.File
	var err error
	switch {
	case in.direct(job):
		next, err = firmware.OpenVerified(ctx, file.Name, in.next, file.Image())
	case file.Encoding == ota.BSDiff:
		next, err = in.cfg.Disk.PatchFile(ctx, file, in.base, in.workspace.Path(file.Name), in.next)
	default:
		next, err = in.cfg.Disk.DecodeFile(ctx, file, in.workspace.Path(file.Name), in.next)
	}
	if err != nil {
		return nil, err
	}
	if err := firmware.CheckOwn(next); err != nil {
		return nil, errors.Join(err, next.Close())
	}
	return next, nil
}

// finishNext gives the built image what it gets before it goes live, durably.
func (in *Installer) finishNext(next *os.File) error {
	if err := in.prepare(next); err != nil {
		return fmt.Errorf("cannot give %s the owner and mode of %s: %w", in.next, in.cfg.Path, err)
	}
	if err := in.cfg.Disk.Sync(in.next); err != nil {
		return err
	}
	return in.cfg.Disk.Sync(filepath.Dir(in.next))
}

// note records both versions, when the image is complete.
func (in *Installer) note(ctx context.Context, rec *record, job firmware.Job, next *os.File) error {
	version, err := in.version(ctx, rec)
	if err != nil {
		return err
	}
	source, err := in.describe(ctx, in.cfg.Path, version)
	if err != nil {
		return err
	}
	wanted, err := in.wanted()
	if err != nil {
		return err
	}
	target, err := in.describeNext(ctx, job, next, wanted)
	if err != nil {
		return err
	}
	return in.record().Save(&record{Job: job.ID(), Source: source, Target: target, Dress: wanted})
}

// describeNext notes the staged image; a plain file's digest is known by now.
func (in *Installer) describeNext(ctx context.Context, job firmware.Job, next *os.File, wanted *dress) (*image, error) {
	id, err := identityOf(next)
	if err != nil {
		return nil, err
	}
	target := &image{Version: job.Target, Identity: id}
	if !in.cfg.Unpack {
		target.Digest = imageDigest(job.Files[0].Image())
		return target, nil
	}
	target.Digest, err = openDigest(ctx, next, wanted.Mode)
	return target, in.tooMuch(ctx, in.next, err)
}
