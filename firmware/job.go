package firmware

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"otafleet/internal/ota"
)

// ID tells jobs apart whose bytes differ: the hex SHA-256 over the component,
// the target and each file's name, encoding and digests. The source is left
// out, because bytes on the disk do not depend on it.
func (j Job) ID() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", j.Component, j.Target)
	for i := range j.Files {
		f := &j.Files[i]
		image := f.Image()
		if f.Claimed != nil {
			// Its SHA256 may be known later than its place is opened.
			fmt.Fprintf(h, "%q %q %d claimed %x\n", f.Name, f.Encoding, f.Size, f.ID())
			continue
		}
		fmt.Fprintf(h, "%q %q %d %x %d %x\n", f.Name, f.Encoding, f.Size, f.SHA256, image.Size, image.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Validate refuses a job whose files cannot be kept side by side in a
// directory, or not be decoded. The manifest behind it is signed and was
// checked before; a mistake in it must all the same not leave the directory.
func (j Job) Validate() error {
	if len(j.Files) < 1 || len(j.Files) > ota.MaxFiles {
		return Failf(ota.ManifestMismatch, "a package has 1 to %d files, not %d", ota.MaxFiles, len(j.Files))
	}
	seen := make(map[string]bool, len(j.Files))
	for i := range j.Files {
		f := &j.Files[i]
		if !ota.ValidFileName(f.Name) {
			return Failf(ota.ManifestMismatch, "%q is not a file name", f.Name)
		}
		if seen[f.Name] {
			return Failf(ota.ManifestMismatch, "two files are named %s", f.Name)
		}
		seen[f.Name] = true
		if err := validEncoding(f); err != nil {
			return err
		}
	}
	return nil
}

func validEncoding(f *ota.File) error {
	image := f.Image()
	switch {
	case f.Size < 0 || f.Size > ota.MaxFileSize || image.Size < 0 || image.Size > ota.MaxFileSize:
		return Failf(ota.ManifestMismatch, "%s has no valid size", f.Name)
	case f.Encoding == ota.Plain && image != (ota.Output{Size: f.Size, SHA256: f.SHA256}):
		return Failf(ota.ManifestMismatch, "%s is not encoded and has an output of its own", f.Name)
	case f.Encoding != ota.Plain && f.Encoding != ota.Zstd && f.Encoding != ota.BSDiff:
		return Failf(ota.ManifestMismatch, "%s has the unknown encoding %q", f.Name, f.Encoding)
	case f.Encoding == ota.Zstd && !knowsZstd:
		return Failf(ota.UnpackFailed, "%s is encoded with zstd, which this program was built without (tag nozstd)", f.Name)
	case f.Encoding != ota.Plain && f.Output == nil:
		return Failf(ota.ManifestMismatch, "%s has encoding %s and no output", f.Name, f.Encoding)
	}
	return nil
}

// CheckCapacity refuses a job with an image larger than capacity bytes; 0 means
// no limit.
func (j Job) CheckCapacity(capacity int64) error {
	for i := range j.Files {
		f := &j.Files[i]
		if size := f.Image().Size; capacity > 0 && size > capacity {
			return Failf(ota.TooLarge, "%s needs %s, %s more than %s takes", f.Name, ota.FormatSize(size),
				ota.FormatSize(size-capacity), j.Component)
		}
	}
	return nil
}

// ValidateWhole is Validate for installers that send one whole image to a
// component: one file, and no patch.
func (j Job) ValidateWhole() error {
	if err := j.Validate(); err != nil {
		return err
	}
	if len(j.Files) != 1 {
		return Failf(ota.ManifestMismatch, "the component takes one file, the package has %d", len(j.Files))
	}
	return j.RefuseDeltas()
}

// RefuseDeltas refuses a job with a patch, for installers that cannot apply it.
func (j Job) RefuseDeltas() error {
	for i := range j.Files {
		if f := &j.Files[i]; f.Encoding == ota.BSDiff {
			return Failf(ota.DeltaFailed, "encoding bsdiff is not supported by this installer (file %s)", f.Name)
		}
	}
	return nil
}
