package bundle

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// CreateSplit makes a package as Create does, and writes it as a directory: the files
// as they are transferred, and beside them the signed manifest, COMPONENT.ota-manifest.
// The directory appears whole or not at all.
func CreateSplit(dir string, release Release) (*ota.Manifest, error) {
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("cannot write the package: %s is there already; remove it, or give another name", dir)
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".pack-*")
	if err != nil {
		return nil, fmt.Errorf("cannot make a package: %w", err)
	}
	defer os.RemoveAll(work)
	packed := filepath.Join(work, "bundle")
	manifest, err := Create(packed, release)
	if err != nil {
		return nil, err
	}
	split := filepath.Join(work, "split")
	if err := os.Mkdir(split, 0o755); err != nil {
		return nil, fmt.Errorf("cannot write the package: %w", err)
	}
	if err := splitInto(split, packed); err != nil {
		return nil, fmt.Errorf("cannot write the package: %w", err)
	}
	if err := os.Rename(split, dir); err != nil {
		return nil, fmt.Errorf("cannot write the package: %w", err)
	}
	return manifest, nil
}

// splitInto writes the files of a package file into a directory.
func splitInto(dir, packed string) (err error) {
	b, err := Open(packed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	head, err := wire.EncodeEnvelope(b.Envelope)
	if err != nil {
		return err
	}
	sidecar := b.Manifest.Component + wire.SidecarSuffix
	if err := writeFile(filepath.Join(dir, sidecar), func(w io.Writer) error {
		_, err := w.Write(head)
		return err
	}); err != nil {
		return err
	}
	for i := range b.Manifest.Files {
		name := b.Manifest.Files[i].Name
		if name == sidecar {
			return fmt.Errorf("the file %s has the name of its signed manifest: give it another one", name)
		}
		if err := writeFile(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := io.Copy(w, b.File(i))
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}
