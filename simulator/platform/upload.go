package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// MaxUploadFile is how large, in bytes, each file of an uploaded package may be:
// the bound of the platform's form.
const MaxUploadFile = 100 << 20

// MaxUpload is how large, in bytes, an uploaded package may be: all its files,
// its manifest, and what holds them together.
const MaxUpload = ota.MaxFiles*MaxUploadFile + ota.MaxPayload + 64<<10

// Errors of an upload, beside the engine's refusals.
var (
	ErrNotPackage = errors.New("it is not a package of ota-sim pack") // with what is wrong with it
	ErrTooLarge   = fmt.Errorf("it is larger than a package may be: %d files of %d bytes", ota.MaxFiles, MaxUploadFile)
)

// Label is what an operator calls a package; see engine.AddPackage.
type Label struct{ Name, Remarks string }

// Upload takes a package file from a stream, checks that its files are what its
// manifest says, puts them into the object store and makes the package available
// to plans. It returns the package's id. With a state directory the package is
// kept there; else it goes with the process. Who signed it is for the devices to
// judge. The types are endings that its files may have, as engine.CheckUpload
// takes them; nil lets any package in that a device would take.
func (s *Service) Upload(ctx context.Context, from io.Reader, label Label, types []string) (id string, err error) {
	dir := ""
	if s.config.State != "" {
		dir = filepath.Join(s.config.State, packagesDir)
	}
	path, err := receiveFile(from, dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, ignoreMissing(os.Remove(path))) }()
	b, err := bundle.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotPackage, hidePath(err, path))
	}
	if types != nil {
		err = engine.CheckUpload(b.Manifest, types)
	}
	if err == nil {
		id, err = s.stock(ctx, b, label, path)
	}
	if err != nil {
		return "", errors.Join(err, b.Close())
	}
	return id, nil // the object store reads from the bundle
}

// receiveFile writes a stream to a new file, as far as a package may go.
func receiveFile(from io.Reader, dir string) (path string, err error) {
	f, err := os.CreateTemp(dir, incoming+"*")
	if err != nil {
		return "", fmt.Errorf("cannot take a package: %w", err)
	}
	n, err := io.Copy(f, io.LimitReader(from, MaxUpload+1))
	if err == nil && n > MaxUpload {
		err = ErrTooLarge
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// incoming begins the name of a file that is not complete yet.
const incoming = "incoming-"

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// hidePath takes the place of a temporary file out of what somebody far away reads.
func hidePath(err error, path string) error {
	return errors.New(strings.ReplaceAll(err.Error(), path, "upload"))
}

// stock checks a package and puts it on the shelf.
func (s *Service) stock(ctx context.Context, b *bundle.Bundle, label Label, path string) (string, error) {
	if err := checkFiles(b); err != nil {
		return "", err
	}
	s.uploading.Lock() // nobody takes the place that has been found free
	defer s.uploading.Unlock()
	reference := engine.Reference(b.Manifest)
	add := engine.AddPackage{Manifest: *b.Manifest, Reference: reference, Name: label.Name, Remarks: label.Remarks}
	id := engine.PackageID(reference)
	var refusal error
	s.View(func(e *engine.Engine) { refusal = e.MayAdd(add) })
	if refusal != nil {
		return "", refusal
	}
	if s.config.State != "" {
		if err := keepFile(path, s.packagePath(id)); err != nil {
			return "", err
		}
	}
	err := s.shelve(ctx, b, reference)
	if err == nil {
		err = s.Command(add)
	}
	if err != nil {
		err = errors.Join(err, s.shelf.remove(ctx, reference))
		if s.config.State != "" {
			err = errors.Join(err, ignoreMissing(os.Remove(s.packagePath(id))))
		}
		return "", fmt.Errorf("cannot add the package of %s %s: %w", b.Manifest.Component, b.Manifest.Target, err)
	}
	return id, nil
}

func (s *Service) packagePath(id string) string {
	return filepath.Join(s.config.State, packagesDir, id+packageEnding)
}

// checkFiles holds the files against the manifest.
func checkFiles(b *bundle.Bundle) error {
	for i := range b.Manifest.Files {
		f := &b.Manifest.Files[i]
		if f.Size > MaxUploadFile {
			return fmt.Errorf("%w: file %s has %d", ErrTooLarge, f.Name, f.Size)
		}
	}
	if err := b.Verify(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotPackage, err)
	}
	return nil
}

// keepFile gives a complete file its name, for good.
func keepFile(from, to string) error {
	err := os.Rename(from, to)
	if err == nil {
		var dir *os.File
		if dir, err = os.Open(filepath.Dir(to)); err == nil {
			err = errors.Join(dir.Sync(), dir.Close())
		}
	}
	if err != nil {
		return fmt.Errorf("cannot keep the package: %w", err)
	}
	return nil
}

// shelve puts a bundle's files into the object store.
func (s *Service) shelve(ctx context.Context, b *bundle.Bundle, reference string) error {
	files := make([]io.ReaderAt, len(b.Manifest.Files))
	for i := range files {
		files[i] = b.File(i)
	}
	return s.shelf.add(ctx, b.Envelope, b.Manifest, files, reference)
}

// DeletePackage forgets a package and removes its files, also from an object
// store of others. If that store does not let go of them, the package is forgotten
// all the same, and the log says which ones stay.
func (s *Service) DeletePackage(ctx context.Context, id string) error {
	s.uploading.Lock()
	defer s.uploading.Unlock()
	var reference string
	s.View(func(e *engine.Engine) {
		p, _ := e.Package(id)
		reference = p.Reference
	})
	if err := s.Command(engine.DeletePackage{Package: id}); err != nil {
		return err
	}
	if err := s.shelf.remove(ctx, reference); err != nil {
		s.log.Warn("files of a deleted package stay in the object store", "package", reference, "error", err)
	}
	if s.config.State == "" {
		return nil
	}
	return ignoreMissing(os.Remove(s.packagePath(id)))
}
