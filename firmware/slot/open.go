package slot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Inspect says which version the running slot holds. Nothing of the other slot is
// needed for that: where it is not there, Capacity is 0.
func (in *Installer) Inspect(context.Context) (firmware.Inspection, error) {
	rec, err := in.record().Load()
	if err != nil {
		return firmware.Inspection{}, err
	}
	running, err := in.cfg.Running.Running()
	if err != nil {
		return firmware.Inspection{}, err
	}
	version, err := in.version(rec, running)
	if err != nil {
		return firmware.Inspection{}, err
	}
	capacity, err := in.capacity(running.Other())
	if err != nil {
		in.log.Warn("no version can be installed now", "error", err)
	}
	return firmware.Inspection{Version: version, Capacity: capacity}, nil
}

// Open opens the inactive slot itself: for a plain image its beginning, for an
// encoded one its end. What the slot held before stays where the job does not
// write over it.
func (in *Installer) Open(ctx context.Context, job firmware.Job) ([]firmware.Target, error) {
	if err := accept(job); err != nil {
		return nil, err
	}
	running, err := in.cfg.Running.Running()
	if err != nil {
		return nil, err
	}
	target := running.Other()
	capacity, err := in.capacity(target)
	if err != nil {
		return nil, err
	}
	if err := in.mustBeFree(target); err != nil {
		return nil, err
	}
	if err := job.CheckCapacity(capacity); err != nil {
		return nil, err
	}
	if err := job.CheckBase(ctx, in.base(running)); err != nil {
		return nil, err
	}
	if err := in.begin(ctx, job, running); err != nil {
		return nil, firmware.WriteFailure(err)
	}
	return in.places(job, target, capacity)
}

// accept refuses a job that this installer cannot do.
func accept(job firmware.Job) error {
	if err := job.Validate(); err != nil {
		return err
	}
	if len(job.Files) > 1 {
		return firmware.Failf(ota.ManifestMismatch, "a slot takes one image, the package has %d files", len(job.Files))
	}
	return nil
}

// base gives what opens a slot for patches to start from.
func (in *Installer) base(slot Slot) func(context.Context) (*firmware.Base, error) {
	return func(context.Context) (*firmware.Base, error) {
		if _, err := in.capacity(slot); err != nil { // OpenBase would wait for a pipe
			return nil, err
		}
		return firmware.OpenBase(in.cfg.Devices[slot])
	}
}

// begin makes the inactive slot belong to the job, and unbootable. Its four steps
// are in the order in which a power cut between any two of them does no harm:
//
//  1. The boot loader starts the running slot, for good. A cut after it leaves the
//     other slot whole, and nothing that starts it.
//  2. The record forgets the other slot. A cut after it leaves a whole slot that no
//     Revert chooses any more. If the head went first, a cut would leave a record
//     that names a version there, and a Revert that starts a slot without a head.
//  3. The head is moved out of the slot. A cut within it leaves a slot that nothing
//     chooses, with a head or without.
//  4. The record names the job. Only now do the bytes in the slot count as the
//     job's: a cut before makes the next Open begin anew, one after makes it go on.
func (in *Installer) begin(ctx context.Context, job firmware.Job, running Slot) error {
	rec, err := in.record().Load()
	if err != nil {
		return err
	}
	// A job that step 4 has named goes on. A cut within its Activate may have left
	// another choice.
	if rec.belongs(job) && rec.Target == running.Other() && !rec.Attached && in.hasHead() {
		return in.choose(ctx, Choice{Slot: running})
	}
	// Written although it may be chosen already, with room for the trial that is to
	// follow: a memory that takes no choice is to be found before anything is lost.
	if err := in.cfg.Boot.Choose(ctx, Choice{Slot: running, Tries: in.cfg.Tries}); err != nil {
		return err
	}
	next, err := in.without(rec, running)
	if err != nil {
		return err
	}
	if err := in.record().Save(next); err != nil {
		return err
	}
	if err := in.detach(next.Target); err != nil {
		return err
	}
	next.Job, next.Version = job.ID(), job.Target
	return in.record().Save(next)
}

// without is the record that knows the running slot alone.
func (in *Installer) without(rec *record, running Slot) (*record, error) {
	version, err := in.version(rec, running)
	if err != nil {
		return nil, err
	}
	next := &record{Target: running.Other()}
	next.Slots[running] = &content{Version: version}
	if rec != nil && rec.Slots[running] != nil && rec.Slots[running].Version == version {
		next.Slots[running] = rec.Slots[running]
	}
	return next, nil
}

// choose makes a choice unless it is made already.
func (in *Installer) choose(ctx context.Context, want Choice) error {
	have, err := in.cfg.Boot.Choice(ctx)
	switch {
	case err == nil && have == want:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		in.log.Info("the boot loader's choice is made anew", "reason", err)
	}
	return in.cfg.Boot.Choose(ctx, want)
}

// places opens the place of the job's file.
func (in *Installer) places(job firmware.Job, target Slot, capacity int64) ([]firmware.Target, error) {
	file := &job.Files[0]
	if file.Encoding == ota.Plain {
		return in.direct(file, target)
	}
	if base := tail(file, capacity); base > 0 {
		device, err := in.openDevice(target)
		if err != nil {
			return nil, firmware.WriteFailure(err)
		}
		return []firmware.Target{&place{writer: device, base: base, size: file.Size}}, nil
	}
	if err := in.workspace.Begin(job); err != nil {
		return nil, firmware.WriteFailure(err)
	}
	if err := firmware.CheckSpace([]firmware.Need{{Path: in.workspace.Path(file.Name), Size: file.Size}}); err != nil {
		return nil, err
	}
	return in.workspace.Targets(job, nil)
}

// direct is the place of an image that is transferred as it is.
func (in *Installer) direct(file *ota.File, target Slot) ([]firmware.Target, error) {
	image, err := in.openImage(target)
	if err != nil {
		return nil, firmware.WriteFailure(err)
	}
	running, err := openSlot(in.cfg.Devices[target.Other()])
	if err != nil {
		in.log.Warn("no blocks of the running slot can be used again", "error", err)
	}
	return []firmware.Target{&donated{place: place{writer: image, size: file.Size}, running: running}}, nil
}

// tail is where an encoded file of a slot's size begins, so that neither the
// image nor what is kept out of the slot overlaps it; 0 where there is no room.
func tail(file *ota.File, capacity int64) int64 {
	const block = 4 << 10
	base := (capacity - file.Size) &^ (block - 1)
	if base < max(file.Image().Size, headSize) {
		return 0
	}
	return base
}

// writer is what a place writes to: a slot, or one without its head.
type writer interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
}

// place is the part of a slot that takes the bytes of one file.
type place struct {
	writer
	base, size int64
}

// ReadAt reads the file's bytes.
func (p *place) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= p.size {
		return 0, io.EOF
	}
	whole := b[:min(int64(len(b)), p.size-off)]
	n, err := p.writer.ReadAt(whole, p.base+off)
	if err == nil && len(whole) < len(b) {
		err = io.EOF
	}
	return n, err
}

// WriteAt refuses bytes beyond the end that the manifest gives, and names the
// protocol code of a failure.
func (p *place) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off > p.size-int64(len(b)) {
		return 0, firmware.Failf(ota.WriteFailed, "%d bytes at %d do not fit a file of %d", len(b), off, p.size)
	}
	n, err := p.writer.WriteAt(b, p.base+off)
	return n, firmware.WriteFailure(err)
}

// Sync names the protocol code of a failure.
func (p *place) Sync() error { return firmware.WriteFailure(p.writer.Sync()) }

// donated is a place beside the running slot, which may hold some of its blocks.
type donated struct {
	place
	running *os.File // nil where it cannot be read
}

// Running gives the running slot.
func (d *donated) Running() io.ReaderAt {
	if d.running == nil {
		return nil
	}
	return d.running
}

// Close closes both.
func (d *donated) Close() error {
	err := d.place.Close()
	if d.running != nil {
		err = errors.Join(err, d.running.Close())
	}
	return err
}

// transferred opens the bytes of the job's encoded file for reading.
func (in *Installer) transferred(file *ota.File, target Slot) (*os.File, int64, error) {
	capacity, err := in.capacity(target)
	if err != nil {
		return nil, 0, err
	}
	base, path := tail(file, capacity), in.cfg.Devices[target]
	if base == 0 {
		path = in.workspace.Path(file.Name)
	}
	f, err := openSlot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, firmware.Failf(ota.DigestMismatch, "%s is not there", file.Name)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read %s: %w", file.Name, err)
	}
	return f, base, nil
}
