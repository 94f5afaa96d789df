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
		err = checkFiles(b)
	}
	if err == nil {
		id, err = s.add(ctx, &offer{b.Envelope, b.Manifest, filesOf(b), path}, label)
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

// hidePath takes the place of a temporary file out of what a remote client reads.
func hidePath(err error, path string) error {
	return errors.New(strings.ReplaceAll(err.Error(), path, "upload"))
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

// filesOf gives a package file's files, which are read from it until it is closed.
func filesOf(b *bundle.Bundle) []io.ReaderAt {
	files := make([]io.ReaderAt, len(b.Manifest.Files))
	for i := range files {
		files[i] = b.File(i)
	}
	return files
}
