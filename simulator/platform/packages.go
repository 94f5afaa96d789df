package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// offer is a package on its way into the catalog.
type offer struct {
	envelope ota.Envelope
	manifest *ota.Manifest
	files    []io.ReaderAt // in the order of the manifest
	// path is the complete package file, which moves into the state directory; empty
	// for a package that goes with the process.
	path string
}

// AddPackage adds a package to the catalog, with its files in the order of the
// manifest. They go with the process; Upload is for packages that a state directory
// keeps.
func (s *Service) AddPackage(
	ctx context.Context, envelope ota.Envelope, manifest *ota.Manifest, files []io.ReaderAt,
) error {
	if s.keeping != nil {
		return errors.New("cannot add a package that would be missing after a restart of the platform: upload it")
	}
	_, err := s.add(ctx, &offer{envelope: envelope, manifest: manifest, files: files}, Label{})
	return err
}

// add is the one way into the catalog: it checks the place, keeps the package file,
// puts the files into the object store and makes the package available to plans. A
// package that fails at any of these leaves nothing behind.
func (s *Service) add(ctx context.Context, o *offer, label Label) (id string, err error) {
	s.uploading.Lock() // the place that is found free stays free
	defer s.uploading.Unlock()
	reference := engine.Reference(o.manifest)
	command := engine.AddPackage{Manifest: *o.manifest, Reference: reference, Name: label.Name, Remarks: label.Remarks}
	id = engine.PackageID(reference)
	var refusal error
	s.View(func(e *engine.Engine) { refusal = e.MayAdd(command) })
	if refusal != nil {
		return "", refusal
	}
	keeps := o.path != "" && s.config.State != ""
	if keeps {
		if err := keepFile(o.path, s.packagePath(id)); err != nil {
			return "", err
		}
	}
	if err = s.catalog.add(ctx, o.envelope, o.manifest, o.files, reference); err == nil {
		err = s.Command(command)
	}
	if err == nil {
		s.tellStocked(o.manifest.Product)
		return id, nil
	}
	err = errors.Join(err, s.catalog.remove(ctx, reference))
	if keeps {
		err = errors.Join(err, ignoreMissing(os.Remove(s.packagePath(id))))
	}
	return "", fmt.Errorf("cannot add the package of %s %s: %w", o.manifest.Component, o.manifest.Target, err)
}

func (s *Service) packagePath(id string) string {
	return filepath.Join(s.config.State, packagesDir, id+packageEnding)
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

// DeletePackage removes a package from the catalog and its files from the object
// store. If an external store does not remove them, the package is forgotten all the
// same, and the log says which ones stay.
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
	if err := s.catalog.remove(ctx, reference); err != nil {
		s.log.Warn("files of a deleted package stay in the object store", "package", reference, "error", err)
	}
	if s.config.State == "" {
		return nil
	}
	return ignoreMissing(os.Remove(s.packagePath(id)))
}
