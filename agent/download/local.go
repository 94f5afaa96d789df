package download

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"otafleet/internal/ota"
)

// Local brings files from a local disk or a USB stick. It is for an operator
// at the device: a platform's address never leads here.
type Local struct {
	MaxBytes int64 // of a file; 0 means the largest file of the protocol
}

// Bring copies the file source into dir, makes the copy durable and returns its
// path. The copy has the source's name, which must be a valid file name, and
// replaces a file of that name. It is not verified: that is for Verify. Every
// error is a *ota.Failure: too_large, space_low, or storage_unavailable where
// the source cannot be read.
func (l *Local) Bring(ctx context.Context, source, dir string) (string, error) {
	target, err := l.bring(ctx, source, dir)
	if err == nil {
		return target, nil
	}
	var failure *ota.Failure
	if errors.As(err, &failure) {
		return "", failure
	}
	code := ota.StorageUnavailable
	if errors.Is(err, syscall.ENOSPC) {
		code = ota.SpaceLow
	}
	return "", &ota.Failure{Code: code, Detail: fmt.Sprintf("cannot bring %s: %v", source, err)}
}

func (l *Local) bring(ctx context.Context, source, dir string) (string, error) {
	source, err := filepath.Abs(source)
	if err != nil {
		return "", err
	}
	name := filepath.Base(source)
	if !ota.ValidFileName(name) {
		return "", fmt.Errorf("%q is not a file name: 1 to %d characters of A-Z a-z 0-9 _ . -", name, ota.MaxFileName)
	}
	size, err := l.sizeOf(source)
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, name)
	if isSame(source, target) {
		return "", errors.New("it is there already") // go-getter would remove it first
	}
	if err := copyFile(ctx, source, target); err != nil {
		return "", errors.Join(err, os.RemoveAll(target))
	}
	// What was copied counts, not what the source said before.
	copied, err := l.sizeOf(target)
	if err == nil && copied != size {
		err = fmt.Errorf("%d bytes arrived instead of %d", copied, size)
	}
	if err == nil {
		err = syncTree(target)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(target))
	}
	return target, nil
}

// sizeOf gives the size of a plain file within the limit.
func (l *Local) sizeOf(name string) (int64, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("it is not a plain file")
	}
	if most := cmp.Or(l.MaxBytes, ota.MaxFileSize); info.Size() > most {
		return 0, &ota.Failure{Code: ota.TooLarge, Detail: fmt.Sprintf("%s has %d bytes, at most %d are allowed", name, info.Size(), most)}
	}
	return info.Size(), nil
}

// isSame reports whether two names are of one file.
func isSame(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
