package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Activate makes the staged image live.
func (in *Installer) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	rec, err := in.record().Load()
	if err != nil {
		return "", err
	}
	if !rec.belongs(job) {
		return "", firmware.Failf(ota.InstallerFailed, "%s %s is not staged", job.Component, job.Target)
	}
	live, err := in.holds(ctx, in.cfg.Path, rec.Target, rec.Source)
	if err != nil {
		return "", err
	}
	if live {
		err = in.finish(rec, nil)
	} else {
		err = in.goLive(ctx, rec)
	}
	if err == nil {
		err = in.keepSource(ctx, rec)
	}
	if err == nil {
		err = in.noteSwitch(ctx, rec)
	}
	if err != nil {
		return "", firmware.WriteFailure(err)
	}
	return in.cfg.Restart, in.after(ctx)
}

// goLive puts the staged image in the place of the live one.
func (in *Installer) goLive(ctx context.Context, rec *record) error {
	next, err := in.openStaged(ctx, rec)
	if err != nil {
		return err
	}
	if next == nil {
		return in.notReady(ctx, rec)
	}
	defer next.Close() // nothing was written through it
	// What is live now is what Revert must bring back, whoever put it there.
	version, err := in.version(ctx, rec)
	if err != nil {
		return err
	}
	if rec.Source, err = in.describe(ctx, in.cfg.Path, version); err != nil {
		return err
	}
	rec.Activated = true
	if in.cfg.Restart != firmware.RestartNone {
		rec.Trial = in.cfg.Path
	}
	if err := in.record().Save(rec); err != nil {
		return err
	}
	if err := in.cfg.Disk.RemoveAll(in.previous); err != nil {
		return err
	}
	if err := in.exchange(rec); err != nil {
		return err
	}
	return in.finish(rec, next)
}

// openStaged opens the staged image; nil where it is not there any more. What it
// gives is the image to the byte, and no other user can write to it.
func (in *Installer) openStaged(ctx context.Context, rec *record) (*os.File, error) {
	next, err := firmware.OpenRead(in.next)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	same, err := in.isStaged(ctx, next, rec.Target)
	if err == nil && same {
		return next, nil
	}
	return nil, errors.Join(err, next.Close())
}

func (in *Installer) isStaged(ctx context.Context, next *os.File, target *image) (bool, error) {
	info, err := next.Stat()
	if err != nil {
		return false, err
	}
	stat := info.Sys().(*syscall.Stat_t)
	if int(stat.Uid) != os.Geteuid() || info.Mode()&0o022 != 0 ||
		!info.IsDir() && (!info.Mode().IsRegular() || stat.Nlink > 1) {
		return false, nil
	}
	id, err := identityOf(next)
	if err != nil || info.IsDir() || id.is(target.Identity) {
		return err == nil && id.is(target.Identity), err
	}
	digest, err := fileDigest(ctx, next)
	return err == nil && digest == target.Digest, err
}

// exchange gives the staged image the name of the live one.
func (in *Installer) exchange(rec *record) error {
	if rec.Source.Absent {
		return in.cfg.Disk.Rename(in.next, in.cfg.Path)
	}
	if err := in.beginTrial(); err != nil {
		return err
	}
	err := in.cfg.Disk.Exchange(in.next, in.cfg.Path)
	if errors.Is(err, firmware.ErrNoExchange) {
		return in.replace(err)
	}
	return err
}

// finish dresses what is live now, which must be the file that was verified:
// names can be moved by whoever owns the directory. nil stands for any file.
func (in *Installer) finish(rec *record, verified *os.File) error {
	live, err := firmware.OpenRead(in.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) && rec.Target.Absent {
		return nil
	}
	if err != nil {
		return err
	}
	defer live.Close() // nothing was written to it
	if verified != nil {
		is, err := live.Stat()
		if err != nil {
			return err
		}
		was, err := verified.Stat()
		if err != nil {
			return err
		}
		if !os.SameFile(is, was) {
			return firmware.Failf(ota.InstallerFailed,
				"%s was replaced while it was switched: its directory belongs to another user", in.cfg.Path)
		}
	}
	return in.dressLive(live, rec.Dress)
}

// noteSwitch notes both versions as they are after a switch, which has changed
// them: else they would have to be read again to be known.
func (in *Installer) noteSwitch(ctx context.Context, rec *record) error {
	noted, err := in.noteAt(in.previous, rec.Source)
	if err != nil {
		return err
	}
	if rec.Dress != nil && rec.Dress.harmless() {
		again, err := in.noteAt(in.cfg.Path, rec.Target)
		if err != nil {
			return err
		}
		noted = noted || again
	} else if again, err := in.noteRead(ctx, rec.Target); err != nil {
		return err
	} else {
		noted = noted || again
	}
	if !noted {
		return nil
	}
	return in.record().Save(rec)
}

// noteAt notes what an image is like now, and reports whether that is news.
func (in *Installer) noteAt(path string, i *image) (bool, error) {
	id, err := identify(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (i == nil || i.Absent || !id.was(i.Identity) || id == i.Identity) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	i.Identity = id
	return true, nil
}

// noteRead does the same for the live image, which its owner may have changed
// already: it is read once more.
func (in *Installer) noteRead(ctx context.Context, i *image) (bool, error) {
	id, err := identify(in.cfg.Path)
	if err != nil || id == i.Identity || isTree(i.Digest) {
		return false, err
	}
	digest, err := in.digest(ctx, in.cfg.Path)
	if err != nil || digest == "" || digest != i.Digest {
		return false, err
	}
	i.Identity = id
	return true, nil
}

// noteRollback notes the old version as it is after a rollback.
func (in *Installer) noteRollback(rec *record) error {
	noted, err := in.noteAt(in.cfg.Path, rec.Source)
	if err != nil || !noted && rec.Trial == "" {
		return err
	}
	rec.Trial = ""
	return in.record().Save(rec)
}

// notReady says why the staged image is not there any more.
func (in *Installer) notReady(ctx context.Context, rec *record) error {
	back, err := in.holds(ctx, in.cfg.Path, rec.Source, rec.Target)
	if err != nil {
		return err
	}
	if rec.Activated && back {
		return firmware.Failf(ota.BootFailed, "%s was switched, and fell back to %s", in.cfg.Path, rec.Source.Version)
	}
	return firmware.Failf(ota.InstallerFailed, "%s is not the image that was staged", in.next)
}

// beginTrial gives the old version the name under which whoever starts the agent
// finds it. Other components are rolled back by the agent.
func (in *Installer) beginTrial() error {
	if err := in.endTrial(); err != nil || in.cfg.Restart != firmware.RestartProcess || in.cfg.Unpack {
		return err
	}
	return in.cfg.Disk.Link(in.cfg.Path, in.trial)
}

// endTrial takes that name away.
func (in *Installer) endTrial() error {
	return errors.Join(in.cfg.Disk.RemoveAll(in.trial), in.cfg.Disk.RemoveAll(in.starts))
}

// replace does without an exchange: the old file gets its second name first.
func (in *Installer) replace(cause error) error {
	info, err := os.Lstat(in.cfg.Path)
	if err != nil {
		return err
	}
	if info.IsDir() || in.cfg.Unpack {
		return firmware.Failf(ota.InstallerFailed,
			"cannot switch the directory %s without a moment in which it is missing: %v", in.cfg.Path, cause)
	}
	if err := in.cfg.Disk.Link(in.cfg.Path, in.previous); err != nil {
		return firmware.Failf(ota.InstallerFailed, "cannot keep the previous version: %v (and %v)", err, cause)
	}
	return in.cfg.Disk.Rename(in.next, in.cfg.Path)
}

// keepSource gives the old version its name after an exchange.
func (in *Installer) keepSource(ctx context.Context, rec *record) error {
	if rec.Source == nil || rec.Source.Absent {
		return nil
	}
	waits, err := in.holds(ctx, in.next, rec.Source, rec.Target)
	if err != nil || !waits {
		return err
	}
	return in.cfg.Disk.Rename(in.next, in.previous)
}

// Commit frees what was kept of the package. The previous version stays.
func (in *Installer) Commit(ctx context.Context, job firmware.Job) error {
	rec, err := in.record().Load()
	if err != nil {
		return err
	}
	if rec.belongs(job) {
		live, err := in.holds(ctx, in.cfg.Path, rec.Target, rec.Source)
		if err != nil {
			return err
		}
		if live {
			return firmware.WriteFailure(errors.Join(in.confirm(rec), in.endTrial(), in.workspace.DropFiles()))
		}
	}
	return firmware.Failf(ota.VerifyFailed, "%s does not hold version %s", in.cfg.Path, job.Target)
}

func (in *Installer) confirm(rec *record) error {
	if rec.Trial == "" {
		return nil
	}
	rec.Trial = ""
	return in.record().Save(rec)
}

// Revert brings the previous version back if the job's may be live, and drops
// everything of the job.
func (in *Installer) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	rec, err := in.record().Load()
	if err != nil {
		return "", err
	}
	if !rec.belongs(job) {
		return firmware.RestartNone, in.abandon(ctx, rec, job)
	}
	if rec.Activated {
		if err := in.rollBack(ctx, rec); err != nil {
			return "", firmware.WriteFailure(err)
		}
		if err := in.noteRollback(rec); err != nil {
			return "", firmware.WriteFailure(err)
		}
	}
	if err := in.drop(); err != nil {
		return "", firmware.WriteFailure(err)
	}
	if !rec.Activated {
		return firmware.RestartNone, nil
	}
	return in.cfg.Restart, in.after(ctx)
}

// abandon drops a job that was opened and never staged.
func (in *Installer) abandon(ctx context.Context, rec *record, job firmware.Job) error {
	held, err := in.workspace.Holds(job)
	if err != nil {
		return err
	}
	if held {
		return firmware.WriteFailure(in.drop())
	}
	version, err := in.version(ctx, rec)
	if err == nil && version == job.Target && version != job.Source {
		return fmt.Errorf("cannot roll back from %s: the previous version is not kept any more", version)
	}
	return err
}

// rollBack finds the old version under the names that it may have, and makes it
// live.
func (in *Installer) rollBack(ctx context.Context, rec *record) error {
	back, err := in.holds(ctx, in.cfg.Path, rec.Source, rec.Target)
	if err != nil || back {
		return err
	}
	if rec.Source.Absent {
		return in.cfg.Disk.Rename(in.cfg.Path, in.next)
	}
	for _, path := range []string{in.previous, in.next} {
		found, err := in.holds(ctx, path, rec.Source, rec.Target)
		if err != nil {
			return err
		}
		if found {
			return in.swapBack(path)
		}
	}
	return firmware.Failf(ota.InstallerFailed, "cannot roll back to %s: it is neither at %s nor at %s", rec.Source.Version,
		in.previous, in.next)
}

func (in *Installer) swapBack(from string) error {
	err := in.cfg.Disk.Exchange(from, in.cfg.Path)
	if errors.Is(err, firmware.ErrNoExchange) || errors.Is(err, fs.ErrNotExist) {
		return in.cfg.Disk.Rename(from, in.cfg.Path)
	}
	return err
}

// drop removes what the job left beside the live version. The marker goes last,
// so that a cut before leaves a job whose places are empty.
func (in *Installer) drop() error {
	for _, path := range in.beside() {
		if err := in.cfg.Disk.RemoveAll(path); err != nil {
			return err
		}
	}
	return in.workspace.Drop()
}

// after runs the command that makes a switch take effect.
func (in *Installer) after(ctx context.Context) error {
	if len(in.cfg.After) == 0 {
		return nil
	}
	if err := in.command(ctx, in.cfg.After); err != nil {
		return fmt.Errorf("cannot run %s after the switch: %w", in.cfg.After[0], err)
	}
	return nil
}

// command runs a program of the device's builder, with its arguments.
func (in *Installer) command(ctx context.Context, args []string) error {
	program := firmware.Program{Args: args, Dir: filepath.Dir(in.cfg.Path), Limit: in.cfg.CommandLimit,
		Env: []string{"OTA_DEVICE=" + in.cfg.Device}, Trace: filepath.Join(in.cfg.StateDir, "run")}
	outcome, err := program.Run(ctx)
	if err == nil && outcome.Exit != 0 {
		err = outcome.Failed()
	}
	return err
}
