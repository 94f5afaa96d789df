package platform

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"otafleet/internal/files"
)

// rootFile is the file of the state directory that keeps the beginning of the
// objects' keys in an external store. A state that is older has none: its keys
// begin with the package.
const rootFile = "objects"

// clearTime is how long a platform that ends takes to remove its objects.
const clearTime = 10 * time.Second

// objectRoot is the beginning of every key in an external object store. No other
// platform has it, so two that use one bucket replace no object of each other; a
// state directory keeps it.
func (s *Service) objectRoot() (string, error) {
	fresh := "ota-sim-" + rand.Text()
	if s.config.State == "" {
		return fresh, nil
	}
	path := filepath.Join(s.config.State, rootFile)
	const limit = 256
	kept, err := files.Read(path, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(s.engine.Packages()) > 0:
		return "", nil
	case errors.Is(err, fs.ErrNotExist):
		return fresh, writeRoot(path, fresh)
	case err != nil:
		return "", fmt.Errorf("cannot read where the packages lie in the object store: %w", err)
	}
	if !regexp.MustCompile("^ota-sim-[A-Z2-7]{26,}$").Match(kept) {
		return "", fmt.Errorf(
			"%s: does not say where the packages lie in the object store: want ota-sim-… as its keys begin", path,
		)
	}
	return string(kept), nil
}

// writeRoot keeps the beginning of the keys before the first object is written.
func writeRoot(path, root string) error {
	f, err := os.CreateTemp(filepath.Dir(path), incoming+"*")
	if err == nil {
		_, err = f.WriteString(root)
		err = errors.Join(err, f.Sync(), f.Close())
		if err == nil {
			return keepFile(f.Name(), path)
		}
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return fmt.Errorf("cannot keep where the packages lie in the object store: %w", err)
}

// clearStore removes what a platform that keeps nothing has put into an external
// store: nothing names it any longer. The log says what stays.
func (s *Service) clearStore() {
	if s.config.Store == nil || s.config.State != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), clearTime)
	defer cancel()
	if err := s.catalog.clear(ctx); err != nil {
		s.log.Warn("packages stay in the object store", "bucket", s.catalog.bucket, "prefix", s.catalog.root, "error", err)
	}
}
