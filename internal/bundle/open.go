package bundle

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"otafleet/internal/files"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// Bundle is an open package file.
type Bundle struct {
	Envelope ota.Envelope
	// Manifest is what the envelope says. Who signed it is not verified.
	Manifest *ota.Manifest

	file    *os.File
	offsets []int64 // where each of Manifest.Files begins
}

// Open reads the head of a package file. Close the bundle when its files are
// not needed any more.
func Open(path string) (*Bundle, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the package: %w", err)
	}
	b := &Bundle{file: f}
	if err := b.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read the package %s: %w", path, err), f.Close())
	}
	return b, nil
}

// read takes the envelope and notes where the files lie. Sizes are those of the
// manifest: a member of another size is refused here, so that nothing later
// reads past it.
func (b *Bundle) read() error {
	archive := tar.NewReader(b.file)
	head, err := archive.Next()
	switch {
	case err != nil:
		return fmt.Errorf("it is not a package file (see ota-sim pack): %w", err)
	case head.Name != envelopeName:
		return fmt.Errorf("it does not begin with %s", envelopeName)
	case head.Size > ota.MaxPayload:
		return fmt.Errorf("its manifest has %d bytes, at most %d are allowed", head.Size, ota.MaxPayload)
	}
	raw, err := io.ReadAll(archive)
	if err != nil {
		return err
	}
	if b.Envelope, err = wire.DecodeEnvelope(raw); err != nil {
		return err
	}
	if b.Manifest, err = wire.DecodeManifest(b.Envelope.Payload); err != nil {
		return err
	}
	end := int64(0)
	for _, want := range b.Manifest.Files {
		member, err := archive.Next()
		if err != nil {
			return fmt.Errorf("file %s is missing: %w", want.Name, err)
		}
		if member.Name != want.Name || member.Size != want.Size || member.Typeflag != tar.TypeReg {
			return fmt.Errorf("it holds %.128q with %d bytes where the manifest says %s with %d", member.Name, member.Size,
				want.Name, want.Size)
		}
		at, err := b.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		b.offsets = append(b.offsets, at)
		end = at + want.Size
	}
	return b.checkEnd(end)
}

// maxRest is more than tar programs write behind the last member, in bytes.
const maxRest = 64 << 10

// checkEnd refuses a file that goes on behind its last member: whoever copies it
// would copy that, too.
func (b *Bundle) checkEnd(end int64) error {
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	if rest := info.Size() - end; rest > maxRest {
		return fmt.Errorf("it has %d bytes behind its last file", rest)
	}
	return nil
}

// Verify reads all files, and says which one is not what the manifest says.
func (b *Bundle) Verify() error {
	for i := range b.Manifest.Files {
		f := &b.Manifest.Files[i]
		sum := sha256.New()
		if _, err := io.Copy(sum, b.File(i)); err != nil {
			return fmt.Errorf("file %s: %w", f.Name, err)
		}
		if ota.Digest(sum.Sum(nil)) != f.SHA256 {
			return fmt.Errorf("file %s is not the one that its manifest describes", f.Name)
		}
	}
	return nil
}

// File gives the bytes of file i of the manifest.
func (b *Bundle) File(i int) *io.SectionReader {
	return io.NewSectionReader(b.file, b.offsets[i], b.Manifest.Files[i].Size)
}

// Close closes the package file.
func (b *Bundle) Close() error { return b.file.Close() }
