package bundle

import (
	"errors"
	"fmt"
	"os"

	"otafleet/internal/bsdiff"
	"otafleet/internal/ota"
)

// DefaultMemory is how many bytes making a patch may take where nothing else is
// said: enough for images of about 220 MiB.
const DefaultMemory = 4 << 30

// patch makes the patch from one file to another at scratch, and describes it.
// image describes the new file.
func (r *Release) patch(from, to, scratch string, image ota.File) (ota.File, error) {
	base, err := describePath(image.Name, from, r.Chunk)
	if err != nil {
		return ota.File{}, err
	}
	allowed := r.Memory
	if allowed == 0 {
		allowed = DefaultMemory
	}
	if need := bsdiff.Need(base.Size, image.Size); need > allowed {
		return ota.File{}, fmt.Errorf("cannot make a patch from %s to %s: it takes up to %d MiB of memory, and %d MiB are allowed",
			from, to, need>>20, allowed>>20)
	}
	if err := makePatch(from, to, scratch); err != nil {
		return ota.File{}, fmt.Errorf("cannot make a patch from %s to %s: %w", from, to, err)
	}
	file, err := describePath(image.Name, scratch, r.Chunk)
	if err != nil {
		return ota.File{}, err
	}
	file.Encoding = ota.BSDiff
	file.Output = &ota.Output{Size: image.Size, SHA256: image.SHA256}
	file.Base = &ota.Output{Size: base.Size, SHA256: base.SHA256}
	return file, nil
}

func makePatch(from, to, path string) (err error) {
	old, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	image, err := os.ReadFile(to)
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return bsdiff.Make(out, old, image)
}
