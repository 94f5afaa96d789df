package transfer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// record is what the installer must know over restarts.
type record struct {
	Kept   *stored `json:"kept,omitempty"` // the image of what ran before the job, if there is one
	Target string  `json:"target,omitempty"`
	Image  *stored `json:"image,omitempty"` // the job's own
	Step   step    `json:"step,omitempty"`
	Back   bool    `json:"back,omitempty"` // the component may hold a part of the kept image
}

// stored is an image on the disk.
type stored struct {
	Version string `json:"version"`
	Name    string `json:"name"`
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	SHA256  []byte `json:"sha256"`
}

// output is what the image is verified against.
func (s *stored) output() ota.Output {
	out := ota.Output{Size: s.Size}
	copy(out.SHA256[:], s.SHA256)
	return out
}

// step is how far a job has come.
type step string

const (
	staged   step = "staged"
	begun    step = "begun"    // the component may hold a part of the image
	sent     step = "sent"     // it has taken all of it
	reverted step = "reverted" // it has taken the kept image again, or had nothing to undo
)

func (in *Installer) keptPath() string { return filepath.Join(in.cfg.StateDir, "kept.img") }

func (in *Installer) record() firmware.Record[record] {
	return firmware.Record[record]{
		Path: filepath.Join(in.cfg.StateDir, "transfer.json"), Disk: in.cfg.Disk, Logger: in.log,
	}
}

// load reads the record, which is empty before the first job.
func (in *Installer) load() (record, error) {
	r, err := in.record().Load()
	if err != nil || r == nil {
		return record{}, err
	}
	return *r, nil
}

func (in *Installer) save(r record) error { return in.record().Save(&r) }

// loadFor reads the record, which is of job if it has been staged.
func (in *Installer) loadFor(job firmware.Job) (r record, is bool, err error) {
	r, err = in.load()
	return r, err == nil && r.Target == job.Target && r.Image != nil, err
}

// settle ends the job before: if the component has taken its image, that image
// is what job may have to roll back to. source is what runs now, as far as is
// known: if it is not of this installer's doing, no image of it is kept.
func (in *Installer) settle(ctx context.Context, source string) error {
	r, err := in.load()
	if err != nil {
		return err
	}
	if r.Step == sent && !in.cfg.OneWay {
		if r.Kept, err = in.keep(ctx, r.Image); err != nil {
			return err
		}
	}
	if in.cfg.OneWay || r.Kept != nil && source != "" && r.Kept.Version != source {
		r.Kept = nil
	}
	if err := in.save(record{Kept: r.Kept}); err != nil {
		return err
	}
	if r.Kept != nil {
		return nil
	}
	return firmware.WriteFailure(in.cfg.Disk.RemoveAll(in.keptPath()))
}

// keep moves the image of an ended job out of its workspace. A cut may have
// come between the move and the record of it.
func (in *Installer) keep(ctx context.Context, image *stored) (*stored, error) {
	kept := *image
	kept.Path = in.keptPath()
	if info, err := os.Lstat(kept.Path); err == nil && info.IsDir() { // of which no rename takes the name
		if err := in.cfg.Disk.RemoveAll(kept.Path); err != nil {
			return nil, firmware.WriteFailure(err)
		}
	}
	err := in.cfg.Disk.Rename(image.Path, kept.Path)
	switch {
	case err == nil:
		return &kept, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, firmware.WriteFailure(err)
	case firmware.VerifyFile(ctx, kept.Name, kept.Path, kept.output()) == nil:
		return &kept, nil
	}
	return nil, ctx.Err() // lost: there is no rollback to it
}

// back finds the image to which a job rolls back; nil if there is none.
func (in *Installer) back(r record, job firmware.Job) *stored {
	if r.Kept != nil || in.cfg.OneWay {
		return r.Kept
	}
	f := in.cfg.Factory
	if f.Path == "" || job.Source != "" && job.Source != f.Version {
		return nil
	}
	return &stored{Version: f.Version, Name: filepath.Base(f.Path), Path: f.Path}
}
