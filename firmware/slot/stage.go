package slot

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Stage makes the inactive slot whole: the image is complete and verified from
// the device before its first bytes, which make it bootable, are put in.
func (in *Installer) Stage(ctx context.Context, job firmware.Job) error {
	if err := accept(job); err != nil {
		return err
	}
	rec, err := in.record().Load()
	if err != nil {
		return err
	}
	if !rec.belongs(job) {
		return firmware.Failf(ota.InstallerFailed, "no place was opened for %s %s", job.Component, job.Target)
	}
	if rec.Staged {
		return nil
	}
	running, err := in.cfg.Running.Running()
	if err != nil {
		return err
	}
	if rec.Target == running {
		return firmware.Failf(ota.InstallerFailed, "slot %s runs; %s cannot be staged in it", running, job.Target)
	}
	return firmware.WriteFailure(in.fill(ctx, rec, &job.Files[0]))
}

// fill turns the written bytes into a whole image.
func (in *Installer) fill(ctx context.Context, rec *record, file *ota.File) error {
	if file.Encoding != ota.Plain && !rec.Attached {
		if err := in.decode(ctx, rec.Target, file); err != nil {
			return err
		}
	}
	if err := in.verify(ctx, rec.Target, file); err != nil {
		return err
	}
	rec.Attached = true
	if err := in.record().Save(rec); err != nil {
		return err
	}
	if err := in.attach(rec.Target); err != nil {
		return err
	}
	image := file.Image()
	rec.Staged = true
	rec.Slots[rec.Target] = &content{Version: rec.Version, SHA256: hex.EncodeToString(image.SHA256[:]), Size: image.Size}
	return in.record().Save(rec)
}

// decode writes the image into the slot, but for its head.
func (in *Installer) decode(ctx context.Context, target Slot, file *ota.File) error {
	source, base, err := in.transferred(file, target)
	if err != nil {
		return err
	}
	defer source.Close()
	image, err := in.openImage(target)
	if err != nil {
		return err
	}
	err = in.write(ctx, target, file, io.NewSectionReader(source, base, file.Size), io.NewOffsetWriter(image, 0))
	if err == nil {
		err = image.Sync()
	}
	return errors.Join(err, image.Close())
}

// write makes the image of a compressed file, or of a patch to the slot that runs.
func (in *Installer) write(ctx context.Context, target Slot, file *ota.File, src io.ReaderAt, dst io.Writer) error {
	if file.Encoding != ota.BSDiff {
		return firmware.Decode(ctx, file, src, dst)
	}
	running, err := firmware.OpenBase(in.cfg.Devices[target.Other()])
	if err != nil {
		return err
	}
	defer running.Close() // nothing was written to it
	return firmware.Patch(ctx, file, running, src, dst)
}

// Activate lets the boot loader start the staged slot, on trial.
func (in *Installer) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	rec, err := in.record().Load()
	if err != nil {
		return "", err
	}
	if !rec.belongs(job) || !rec.Staged {
		return "", firmware.Failf(ota.InstallerFailed, "%s %s is not staged", job.Component, job.Target)
	}
	if !rec.Activated {
		if err := in.forgetChanged(ctx, rec, rec.Target.Other()); err != nil {
			return "", err
		}
		rec.Activated = true
		if err := in.record().Save(rec); err != nil {
			return "", firmware.WriteFailure(err)
		}
	}
	// A power cut may have started the slot already. It is started again, so that
	// what the agent sees of it is a whole trial in any case.
	if err := in.choose(ctx, Choice{Slot: rec.Target, Trial: true, Tries: in.cfg.Tries}); err != nil {
		return "", firmware.WriteFailure(err)
	}
	return firmware.RestartSystem, nil
}

// Commit makes the running slot the one that starts from now on. The other one
// keeps the previous version.
func (in *Installer) Commit(ctx context.Context, job firmware.Job) error {
	rec, err := in.record().Load()
	if err != nil {
		return err
	}
	running, err := in.cfg.Running.Running()
	if err != nil {
		return err
	}
	if !rec.belongs(job) || !rec.Activated || rec.Target != running {
		return firmware.Failf(ota.VerifyFailed, "the running slot %s does not hold version %s", running, job.Target)
	}
	if err := in.runsImage(ctx, rec, running); err != nil {
		return err
	}
	if err := in.choose(ctx, Choice{Slot: running}); err != nil {
		return firmware.WriteFailure(err)
	}
	return firmware.WriteFailure(in.dropFiles())
}

// dropFiles removes what is kept beside the slots.
func (in *Installer) dropFiles() error {
	return errors.Join(in.cfg.Disk.RemoveAll(in.headPath()), in.workspace.Drop())
}

// Revert chooses the slot that ran before the job, which holds what it held. It
// looks whether that is so: a slot that is not there starts nothing any more.
func (in *Installer) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	rec, err := in.record().Load()
	if err != nil {
		return "", err
	}
	running, err := in.cfg.Running.Running()
	if err != nil {
		return "", err
	}
	if !rec.belongs(job) {
		return firmware.RestartNone, in.abandon(rec, running, job)
	}
	restart := firmware.RestartNone
	if rec.Activated {
		old := rec.Target.Other()
		if running == rec.Target {
			restart = firmware.RestartSystem
			if err := in.canStart(ctx, rec, old); err != nil {
				return "", in.stay(ctx, running, err)
			}
		}
		if err := in.choose(ctx, Choice{Slot: old}); err != nil {
			return "", firmware.WriteFailure(err)
		}
	}
	return restart, firmware.WriteFailure(in.giveUp(rec))
}

// giveUp ends the job. The record still knows an activated one, so that Revert
// can be repeated until the restart has happened; its slot may be booted by hand.
func (in *Installer) giveUp(rec *record) error {
	if rec.Staged || !rec.Activated {
		rec.Staged = false
		if !rec.Activated {
			rec.Job = ""
		}
		if err := in.record().Save(rec); err != nil {
			return err
		}
	}
	return in.dropFiles()
}

// abandon is the end of a job that was never opened.
func (in *Installer) abandon(rec *record, running Slot, job firmware.Job) error {
	version, err := in.version(rec, running)
	if err == nil && version == job.Target && version != job.Source {
		return fmt.Errorf("cannot roll back from %s: the previous version is not kept any more", version)
	}
	return err
}
