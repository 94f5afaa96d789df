package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"otafleet/firmware"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// Inspect asks the component.
func (in *Installer) Inspect(ctx context.Context) (firmware.Inspection, error) {
	version, err := in.cfg.Driver.Version(ctx)
	if err != nil {
		return firmware.Inspection{}, err
	}
	if !ota.ValidVersion(version) {
		return firmware.Inspection{}, firmware.Failf(ota.InstallerFailed,
			"the component says that it runs %q, which is not a version", version)
	}
	return firmware.Inspection{Version: version, Capacity: in.cfg.Capacity}, nil
}

// Open opens a file in the state directory. A package has one file here.
func (in *Installer) Open(ctx context.Context, job firmware.Job) ([]firmware.Target, error) {
	if err := job.ValidateWhole(); err != nil {
		return nil, err
	}
	if err := job.CheckCapacity(in.cfg.Capacity); err != nil {
		return nil, err
	}
	held, err := in.workspace.Holds(job)
	if err != nil {
		return nil, err
	}
	if !held {
		if err := in.settle(ctx, job.Source); err != nil {
			return nil, err
		}
	}
	if err := in.workspace.Begin(job); err != nil {
		return nil, firmware.WriteFailure(err)
	}
	if err := firmware.CheckSpace(in.workspace.Needs(job)); err != nil {
		return nil, err
	}
	return in.workspace.Targets(job, nil)
}

// Stage verifies and decodes the image.
func (in *Installer) Stage(ctx context.Context, job firmware.Job) error {
	if err := job.ValidateWhole(); err != nil {
		return err
	}
	if err := in.workspace.MustHold(job); err != nil {
		return err
	}
	r, is, err := in.loadFor(job)
	if err != nil {
		return err
	}
	file := &job.Files[0]
	path, err := in.workspace.Image(ctx, file)
	if err != nil {
		return err
	}
	if is && (r.Step == begun || r.Step == sent) {
		return nil // staged before, and gone further
	}
	image := file.Image()
	r.Target, r.Step = job.Target, staged
	r.Image = &stored{Version: job.Target, Name: file.Name, Path: path, Size: image.Size, SHA256: image.SHA256[:]}
	return in.save(r)
}

// Activate sends the image, unless the component has taken it before, and waits
// until the component says what it runs.
func (in *Installer) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	r, is, err := in.loadFor(job)
	if err != nil {
		return "", err
	}
	if !is || r.Step == reverted {
		return "", firmware.Failf(ota.InstallerFailed, "cannot activate %s %s: it is not staged", job.Component, job.Target)
	}
	if r.Step != sent {
		begin := func() error {
			r.Step = begun
			return in.save(r)
		}
		if err := in.send(ctx, r.Image, job.Source, r.Step == begun, begin); err != nil {
			return "", err
		}
		r.Step = sent
		if err := in.save(r); err != nil {
			return "", err
		}
	}
	return firmware.RestartNone, in.awaitStart(ctx)
}

// Commit has nothing to do: the component runs what it was given. The image
// before stays until another job begins.
func (in *Installer) Commit(_ context.Context, job firmware.Job) error {
	r, is, err := in.loadFor(job)
	if err != nil {
		return err
	}
	if !is || r.Step != sent {
		return firmware.Failf(ota.InstallerFailed, "cannot confirm %s %s: it was not activated", job.Component, job.Target)
	}
	return nil
}

// Revert sends the image before, if the component may have taken anything of
// the job's, and drops the job's files.
func (in *Installer) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	r, is, err := in.loadFor(job)
	if err != nil {
		return "", err
	}
	if is && (r.Step == begun || r.Step == sent) {
		if err := in.restore(ctx, r, job); err != nil {
			return "", err
		}
	}
	if is && r.Step != reverted {
		r.Step = reverted
		if err := in.save(r); err != nil {
			return "", err
		}
	}
	return firmware.RestartNone, in.workspace.DropOf(job)
}

// restore brings the version before back.
func (in *Installer) restore(ctx context.Context, r record, job firmware.Job) error {
	image := in.back(r, job)
	if image == nil {
		// A component with two places of its own may have fallen back by itself.
		if runs, err := in.cfg.Driver.Version(ctx); err == nil && runs == job.Source {
			return nil
		}
		return firmware.Failf(ota.InstallerFailed, "no image of %s is kept: the component cannot be rolled back", job.Source)
	}
	begin := func() error {
		r.Back = true
		return in.save(r)
	}
	if err := in.send(ctx, image, job.Target, r.Step == begun || r.Back, begin); err != nil {
		return err
	}
	return in.awaitStart(ctx)
}

// send gives an image to the component, several times if need be. busy says that an
// image was begun to be sent before.
func (in *Installer) send(ctx context.Context, image *stored, source string, busy bool, begin func() error) error {
	file, size, err := in.open(ctx, image)
	if err != nil {
		return err
	}
	defer file.Close()
	out := Image{
		ReaderAt: file, Name: image.Name, Source: source, Version: image.Version, Size: size, SHA256: image.output().SHA256,
		Begun: busy,
	}
	for try := 1; ; try++ {
		began := time.Now()
		err := in.cfg.Driver.Send(ctx, out, begin)
		in.log.Info("image sent", "version", image.Version, "bytes", size, "try", try, "took",
			time.Since(began).Round(time.Millisecond), "error", err)
		if err == nil || try >= in.cfg.Tries || final(ctx, err) {
			return err
		}
		out.Begun = false // the driver has seen how that ended
		if err := firmware.Pause(ctx, in.cfg.Pause); err != nil {
			return err
		}
	}
}

// final reports whether an error stays the same however often an image is sent.
func final(ctx context.Context, err error) bool {
	var failure *ota.Failure
	known := errors.As(err, &failure)
	return ctx.Err() != nil || errors.Is(err, firmware.ErrRetry) ||
		known && failure.Code != ota.ComponentSilent && failure.Code != ota.InstallerFailed
}

// open opens an image, verified: what is sent to a component must be what was
// signed, however long it has lain here. The factory's is what the device's
// builder put there.
func (in *Installer) open(ctx context.Context, image *stored) (*os.File, int64, error) {
	if image.SHA256 != nil {
		if err := firmware.VerifyFile(ctx, image.Name, image.Path, image.output()); err != nil {
			return nil, 0, err
		}
	}
	file, err := files.Open(image.Path)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read the image of %s: %w", image.Version, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// awaitStart waits until the component says what it runs, whatever that is.
func (in *Installer) awaitStart(ctx context.Context) error {
	for end := time.Now().Add(in.cfg.StartLimit); ; {
		_, err := in.cfg.Driver.Version(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		if err := firmware.Pause(ctx, in.cfg.Pause); err != nil {
			return err
		}
	}
}
