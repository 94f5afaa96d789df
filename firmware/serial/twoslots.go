package serial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// twoSlots installs an MCU that keeps two images, by SMP.
type twoSlots struct {
	cfg       Config
	workspace firmware.Workspace
}

// maxRounds bounds the rollback: into a pending test, out of it, and the confirmation
// of the old image.
const maxRounds = 5

func newTwoSlots(cfg Config) *twoSlots {
	return &twoSlots{cfg, firmware.Workspace{Dir: cfg.StateDir, Disk: cfg.Disk}}
}

// mark is what must be known of a job over restarts.
type mark struct {
	Target string `json:"target"`
	Old    []byte `json:"old"` // hash of the image that ran before
	New    []byte `json:"new"`
	Staged bool   `json:"staged"`
}

func (in *twoSlots) markPath() string { return filepath.Join(in.cfg.StateDir, "smp.json") }

// load reads the mark of job; nil if it was never staged.
func (in *twoSlots) load(job firmware.Job) (*mark, error) {
	m, err := in.mark().Load()
	if err != nil || m == nil || m.Target != job.Target {
		return nil, err
	}
	return m, nil
}

func (in *twoSlots) mark() firmware.Record[mark] {
	return firmware.Record[mark]{Path: in.markPath(), Disk: in.cfg.Disk, Logger: in.cfg.Logger}
}

// speak opens the line for a session, which may have to wait for the port.
func (in *twoSlots) speak(ctx context.Context, within time.Duration, talk func(*manager) error) error {
	m := &manager{timeout: in.cfg.Timeout, attempts: in.cfg.Attempts}
	if err := in.connect(ctx, m, within); err != nil {
		return port.Failure(err)
	}
	defer func() { _ = m.port.Close() }() // every answer was read
	return port.Failure(talk(m))
}

// connect gives a session its line, or the one that comes after it: an MCU that starts
// may take its port away.
func (in *twoSlots) connect(ctx context.Context, m *manager, within time.Duration) error {
	l, err := port.OpenWithin(ctx, in.cfg.Port, within, in.cfg.Pause)
	if err != nil {
		return err
	}
	if m.port != nil {
		_ = m.port.Close() // there is nothing behind it
	}
	l.Drop()
	m.port = l
	return nil
}

// Inspect asks for the version of the active image.
func (in *twoSlots) Inspect(ctx context.Context) (firmware.Inspection, error) {
	var found firmware.Inspection
	err := in.speak(ctx, 0, func(m *manager) error {
		slots, err := m.slots()
		if err != nil {
			return err
		}
		a, err := active(slots)
		found = firmware.Inspection{Version: a.version, Capacity: in.cfg.Capacity}
		return err
	})
	if err == nil && !ota.ValidVersion(found.Version) {
		err = firmware.Failf(ota.InstallerFailed, "the MCU says that it runs %q, which is not a version", found.Version)
	}
	return found, err
}

// Open opens a file in the state directory.
func (in *twoSlots) Open(_ context.Context, job firmware.Job) ([]firmware.Target, error) {
	if err := job.ValidateWhole(); err != nil {
		return nil, err
	}
	if err := job.CheckCapacity(in.cfg.Capacity); err != nil {
		return nil, err
	}
	if err := in.workspace.Begin(job, in.markPath()); err != nil {
		return nil, firmware.WriteFailure(err)
	}
	if err := firmware.CheckSpace(in.workspace.Needs(job)); err != nil {
		return nil, err
	}
	return in.workspace.Targets(job, nil)
}

// Stage verifies the image and uploads it into the slot that does not run.
func (in *twoSlots) Stage(ctx context.Context, job firmware.Job) error {
	if err := job.ValidateWhole(); err != nil {
		return err
	}
	if err := in.workspace.MustHold(job); err != nil {
		return err
	}
	path, err := in.workspace.Image(ctx, &job.Files[0])
	if err != nil {
		return err
	}
	file, err := files.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read the image: %w", err)
	}
	defer file.Close()
	out := job.Files[0].Image()
	image, err := readBootImage(file, out.Size)
	if err != nil {
		return err
	}
	if image.version != job.Target {
		return firmware.Failf(ota.ManifestMismatch, "the image says that it is version %s, not %s", image.version, job.Target)
	}
	return in.speak(ctx, in.cfg.StartLimit, func(m *manager) error { return in.stage(ctx, m, job, image, file, out) })
}

func (in *twoSlots) stage(ctx context.Context, m *manager, job firmware.Job, image bootImage, file *os.File,
	out ota.Output) error {
	known, err := in.load(job)
	if err != nil {
		return err
	}
	slots, err := m.slots()
	if err != nil {
		return err
	}
	if known == nil || string(known.New) != image.hash {
		a, err := active(slots)
		if err != nil {
			return err
		}
		known = &mark{Target: job.Target, Old: []byte(a.hash), New: []byte(image.hash)}
		if err := in.mark().Save(known); err != nil {
			return err
		}
	}
	if _, there := holding(slots, image.hash); !there {
		if err := in.upload(ctx, m, file, out); err != nil {
			return err
		}
		if slots, err = m.slots(); err != nil {
			return err
		}
		if _, there := holding(slots, image.hash); !there {
			return firmware.Failf(ota.InstallerFailed, "the MCU does not have the image that was uploaded")
		}
	}
	known.Staged = true
	return in.mark().Save(known)
}

// upload uploads an image, and goes on with it when an MCU comes back that took its
// port away in the middle.
func (in *twoSlots) upload(ctx context.Context, m *manager, file *os.File, out ota.Output) error {
	for attempt := 1; ; attempt++ {
		err := m.upload(file, out.Size, out.SHA256)
		if !errors.Is(err, port.ErrGone) || attempt >= m.attempts {
			return err
		}
		if err := in.connect(ctx, m, in.cfg.StartLimit); err != nil {
			return err
		}
	}
}

// staged gives the mark of a job that was staged.
func (in *twoSlots) staged(job firmware.Job, step string) (*mark, error) {
	known, err := in.load(job)
	if err == nil && (known == nil || !known.Staged) {
		err = firmware.Failf(ota.InstallerFailed, "cannot %s %s %s: it is not staged", step, job.Component, job.Target)
	}
	return known, err
}

// Activate has the image tested and starts the MCU anew.
func (in *twoSlots) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	known, err := in.staged(job, "activate")
	if err != nil {
		return "", err
	}
	return firmware.RestartNone, in.speak(ctx, in.cfg.StartLimit, func(m *manager) error {
		slots, err := m.slots()
		if err != nil {
			return err
		}
		s, there := holding(slots, string(known.New))
		switch {
		case !there:
			return firmware.Failf(ota.InstallerFailed, "the MCU does not have the image any more")
		case s.active:
			return nil
		case !s.pending:
			if err := m.test(string(known.New)); err != nil {
				return err
			}
			if slots, err = m.slots(); err != nil {
				return err
			}
		}
		return in.restart(ctx, m, slots)
	})
}

// restart starts the MCU anew and waits until its slots are not as before, or
// for so long as it may take. What it runs then is for the caller to judge.
func (in *twoSlots) restart(ctx context.Context, m *manager, before []slot) error {
	var asked time.Time
	for end := time.Now().Add(in.cfg.StartLimit); ; {
		if time.Since(asked) > in.cfg.Timeout {
			if err := m.reset(); err != nil {
				return err
			}
			asked = time.Now()
		}
		slots, err := m.slots()
		if errors.Is(err, port.ErrGone) && time.Now().Before(end) {
			err = in.connect(ctx, m, time.Until(end))
		}
		if err == nil && slots != nil && !slices.Equal(slots, before) {
			return nil
		}
		if errors.Is(err, port.ErrGone) || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		if err != nil {
			asked = time.Now() // it is on its way
		}
		if err := firmware.Pause(ctx, in.cfg.Pause); err != nil {
			return err
		}
	}
}

// Commit keeps the image, and drops the file.
func (in *twoSlots) Commit(ctx context.Context, job firmware.Job) error {
	known, err := in.staged(job, "confirm")
	if err != nil {
		return err
	}
	err = in.speak(ctx, in.cfg.StartLimit, func(m *manager) error {
		slots, err := m.slots()
		if err != nil {
			return err
		}
		a, err := active(slots)
		switch {
		case err != nil:
			return err
		case a.hash != string(known.New):
			return firmware.Failf(ota.InstallerFailed, "cannot confirm %s: the MCU runs %s", job.Target, a.version)
		case a.confirmed:
			return nil
		}
		return m.confirm(a.hash)
	})
	if err != nil {
		return err
	}
	return firmware.WriteFailure(in.workspace.DropFiles())
}

// Revert has the MCU run the old image, which its other slot holds, and keep it.
func (in *twoSlots) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	known, err := in.load(job)
	if err != nil {
		return "", err
	}
	if known != nil {
		if err := in.speak(ctx, in.cfg.StartLimit, func(m *manager) error { return in.rollBack(ctx, m, known) }); err != nil {
			return "", err
		}
	}
	return firmware.RestartNone, in.workspace.DropOf(job)
}

// rollBack looks what the MCU runs and is about to run, and takes one step after
// the other until it runs the old image for good.
func (in *twoSlots) rollBack(ctx context.Context, m *manager, known *mark) error {
	oldHash := string(known.Old)
	for range maxRounds {
		slots, err := m.slots()
		if err != nil {
			return err
		}
		a, err := active(slots)
		if err != nil {
			return err
		}
		other, there := holding(slots, string(known.New))
		switch {
		case a.hash == oldHash && there && other.pending:
			// A test cannot be called off: it is made, and not confirmed.
			err = in.restart(ctx, m, slots)
		case a.hash == oldHash && !a.confirmed:
			err = m.confirm(oldHash)
		case a.hash == oldHash:
			return nil
		default:
			err = in.leave(ctx, m, slots, a, oldHash)
		}
		if err != nil {
			return err
		}
	}
	return firmware.Failf(ota.InstallerFailed, "the MCU does not roll back to its old image")
}

// leave leaves the image a for the old one.
func (in *twoSlots) leave(ctx context.Context, m *manager, slots []slot, a slot, oldHash string) error {
	before, there := holding(slots, oldHash)
	if !there {
		return firmware.Failf(ota.InstallerFailed, "the MCU does not have its old image any more")
	}
	if a.confirmed && !before.pending { // else the next start rolls back by itself
		if err := m.test(oldHash); err != nil {
			return err
		}
		var err error
		if slots, err = m.slots(); err != nil {
			return err
		}
	}
	return in.restart(ctx, m, slots)
}
