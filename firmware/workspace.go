package firmware

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"otafleet/internal/ota"
)

// Workspace keeps the files of one job in a directory of its own, so that a
// cut download goes on where it stopped and another job never finds its
// bytes. It is for installers whose inactive place is a plain file.
type Workspace struct {
	// Dir is the directory of the component's state. The workspace owns
	// job.json, files/ and images/ in it.
	Dir  string
	Disk Disk
	// Base opens the image that runs, for patches to start from. nil leaves
	// patches as they are.
	Base func(ctx context.Context) (*Base, error)
}

// marker names the job whose bytes the workspace holds.
type marker struct {
	Job    string `json:"job"`
	Target string `json:"target"`
}

// Path is the place of the file called name, which must be a valid file name.
func (w Workspace) Path(name string) string { return filepath.Join(w.files(), name) }

// image is where the file called name is decoded.
func (w Workspace) image(name string) string { return filepath.Join(w.images(), name) }

func (w Workspace) images() string { return filepath.Join(w.Dir, "images") }
func (w Workspace) files() string  { return filepath.Join(w.Dir, "files") }
func (w Workspace) marker() string { return filepath.Join(w.Dir, "job.json") }

// Holds reports whether the workspace belongs to job. A job without its files
// is known by its target.
func (w Workspace) Holds(job Job) (bool, error) {
	m, err := w.record().Load()
	if err != nil || m == nil || m.Job == "" {
		return false, err // a damaged marker is of no job: the bytes will be dropped
	}
	if len(job.Files) == 0 {
		return m.Target == job.Target, nil
	}
	return m.Job == job.ID(), nil
}

func (w Workspace) record() Record[marker] { return Record[marker]{Path: w.marker(), Disk: w.Disk} }

// MustHold fails unless the workspace belongs to job: Stage comes after Open.
func (w Workspace) MustHold(job Job) error {
	held, err := w.Holds(job)
	if err == nil && !held {
		err = Failf(ota.InstallerFailed, "no place was opened for %s %s", job.Component, job.Target)
	}
	return err
}

// Begin makes the workspace belong to job. Bytes of another job are dropped
// first, with what is at the paths elsewhere; bytes of the same job stay. The
// marker is written last, so that it never vouches for bytes of another job.
func (w Workspace) Begin(job Job, elsewhere ...string) error {
	if held, err := w.Holds(job); err != nil || held {
		return err
	}
	if err := w.Disk.MkdirAll(w.Dir); err != nil {
		return fmt.Errorf("cannot make the state directory: %w", err)
	}
	for _, path := range append(elsewhere, w.images(), w.files(), w.marker()) {
		if err := w.Disk.RemoveAll(path); err != nil {
			return fmt.Errorf("cannot drop the files of an earlier job: %w", err)
		}
	}
	if err := w.Disk.MkdirAll(w.files()); err != nil {
		return fmt.Errorf("cannot make the directory of the job's files: %w", err)
	}
	return w.record().Save(&marker{Job: job.ID(), Target: job.Target})
}

// Targets opens the place of each file of the job, in the order of the
// manifest, after Begin. at gives the path of a file; nil stands for Path.
func (w Workspace) Targets(job Job, at func(name string) string) ([]Target, error) {
	if at == nil {
		at = w.Path
	}
	if err := w.Disk.MkdirAll(w.files()); err != nil {
		return nil, WriteFailure(err)
	}
	places := make([]Target, 0, len(job.Files))
	for i := range job.Files {
		p, err := w.place(&job.Files[i], at(job.Files[i].Name))
		if err != nil {
			closeAll(places)
			return nil, WriteFailure(fmt.Errorf("cannot open the place of %s: %w", job.Files[i].Name, err))
		}
		places = append(places, p)
	}
	return places, nil
}

func (w Workspace) place(file *ota.File, path string) (*place, error) {
	if err := w.Disk.Clear(path, file.Size); err != nil {
		return nil, err
	}
	f, err := w.Disk.Open(path)
	if err != nil {
		return nil, err
	}
	if err := w.Disk.Sync(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &place{File: f, size: file.Size}, nil
}

// Needs is what the job's files will occupy, before and after decoding.
func (w Workspace) Needs(job Job) []Need {
	var needs []Need
	for i := range job.Files {
		f := &job.Files[i]
		needs = append(needs, Need{Path: w.Path(f.Name), Size: f.Size})
		if w.decodes(f) {
			needs = append(needs, Need{Path: w.image(f.Name), Size: f.Image().Size})
		}
	}
	return needs
}

// decodes reports whether a file is not used as it is transferred.
func (w Workspace) decodes(f *ota.File) bool {
	return f.Encoding == ota.Zstd || f.Encoding == ota.BSDiff && w.Base != nil
}

// Image gives the path of a file that is ready for use, verified: the file
// itself where it is not encoded, what it decodes to otherwise. A patch stays
// one where the workspace has no Base. It may be called again.
func (w Workspace) Image(ctx context.Context, file *ota.File) (string, error) {
	path := w.Path(file.Name)
	if !w.decodes(file) {
		return path, VerifyFile(ctx, file.Name, path, ota.Output{Size: file.Size, SHA256: file.SHA256})
	}
	image := w.image(file.Name)
	if VerifyFile(ctx, file.Name, image, file.Image()) == nil {
		return image, nil
	}
	if err := w.Disk.MkdirAll(w.images()); err != nil {
		return "", WriteFailure(err)
	}
	f, err := w.decode(ctx, file, path, image)
	if err != nil {
		return "", err
	}
	return image, f.Close()
}

func (w Workspace) decode(ctx context.Context, file *ota.File, from, to string) (*os.File, error) {
	if file.Encoding == ota.BSDiff {
		return w.Disk.PatchFile(ctx, file, w.Base, from, to)
	}
	return w.Disk.DecodeFile(ctx, file, from, to)
}

// DropFiles removes the job's files, when they have become the image or will
// not. The job stays the same.
func (w Workspace) DropFiles() error {
	return errors.Join(w.Disk.RemoveAll(w.images()), w.Disk.RemoveAll(w.files()))
}

// Drop removes the job's files, and forgets the job.
func (w Workspace) Drop() error {
	if err := w.Disk.RemoveAll(w.marker()); err != nil {
		return err
	}
	return w.DropFiles()
}

// DropOf drops the workspace if it belongs to job: the end of a Revert, which
// may come when another job has begun.
func (w Workspace) DropOf(job Job) error {
	held, err := w.Holds(job)
	if err != nil || !held {
		return err
	}
	return WriteFailure(w.Drop())
}

// place is a plain file that takes the bytes of one file of a manifest.
type place struct {
	*File
	size int64
}

// WriteAt refuses bytes beyond the end that the manifest gives, and names the
// protocol code of a failure.
func (p *place) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off > p.size-int64(len(b)) {
		return 0, Failf(ota.WriteFailed, "%d bytes at %d do not fit a file of %d", len(b), off, p.size)
	}
	n, err := p.File.WriteAt(b, off)
	return n, WriteFailure(err)
}

// Sync names the protocol code of a failure.
func (p *place) Sync() error { return WriteFailure(p.File.Sync()) }

func closeAll(places []Target) {
	for _, p := range places {
		// What was opened without a write has nothing to lose.
		_ = p.Close()
	}
}
