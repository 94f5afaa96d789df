package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"

	"otafleet/internal/bsdiff"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// DefaultMemory is how many bytes making a patch may take where nothing else is
// said: enough for images of about 220 MiB.
const DefaultMemory = 4 << 30

// maxImage is more than a patch can be made of, in bytes.
const maxImage = math.MaxInt32

// preparePatch describes the patch of file i and returns its path: a given one's,
// or scratch, where it is made. image describes the new file.
func (r *Release) preparePatch(i int, source, scratch string, image ota.File) (ota.File, string, error) {
	from, path := r.From[i], scratch
	base, err := r.describe(image.Name, from)
	if err != nil {
		return ota.File{}, "", err
	}
	if len(r.Patches) > 0 {
		path = r.Patches[i]
		err = checkPatch(from, path, &image)
	} else {
		err = r.makePatch(from, source, path, bsdiff.Need(base.Size, image.Size))
	}
	if err != nil {
		return ota.File{}, "", err
	}
	file, err := r.describe(image.Name, path)
	if err != nil {
		return ota.File{}, "", err
	}
	file.Encoding = ota.BSDiff
	file.Output = &ota.Output{Size: image.Size, SHA256: image.SHA256}
	file.Base = &ota.Output{Size: base.Size, SHA256: base.SHA256}
	return file, path, nil
}

// makePatch makes a patch, if the memory that it takes is allowed.
func (r *Release) makePatch(from, to, path string, need int64) error {
	allowed := r.Memory
	if allowed == 0 {
		allowed = DefaultMemory
	}
	if need > allowed {
		return fmt.Errorf("cannot make a patch from %s to %s: it takes up to %d MiB of memory, and %d MiB are allowed",
			from, to, need>>20, allowed>>20)
	}
	if err := writePatch(from, to, path); err != nil {
		return fmt.Errorf("cannot make a patch from %s to %s: %w", from, to, err)
	}
	return nil
}

// checkPatch refuses a patch that does not lead from one file to the image: no
// device could apply it.
func checkPatch(from, path string, image *ota.File) error {
	cannot := func(err error) error {
		return fmt.Errorf("cannot pack the patch %s, which does not lead from %s to %s: %w", path, from, image.Name, err)
	}
	old, err := files.Read(from, maxImage)
	if err != nil {
		return cannot(err)
	}
	patch, err := files.Read(path, maxImage)
	if err != nil {
		return cannot(err)
	}
	result, err := bsdiff.NewReader(bytes.NewReader(old), bytes.NewReader(patch), int64(len(patch)))
	if err != nil {
		return cannot(err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(result, image.Size+1)); err != nil {
		return cannot(err)
	}
	if ota.Digest(sum.Sum(nil)) != image.SHA256 {
		return cannot(errors.New("its result is another one"))
	}
	return nil
}

func writePatch(from, to, path string) error {
	old, err := files.Read(from, maxImage)
	if err != nil {
		return err
	}
	image, err := files.Read(to, maxImage)
	if err != nil {
		return err
	}
	return writeFile(path, func(out io.Writer) error { return bsdiff.Make(out, old, image) })
}
