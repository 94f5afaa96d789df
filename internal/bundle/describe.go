package bundle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"otafleet/internal/ota"
)

// Describe reads a file to its end and returns what a manifest says of it, with
// encoding identity. chunk is in bytes; 0 means ota.DefaultChunk.
func Describe(name string, r io.Reader, chunk int64) (ota.File, error) {
	if chunk == 0 {
		chunk = ota.DefaultChunk
	}
	if chunk < ota.MinChunk || chunk > ota.MaxChunk {
		return ota.File{}, fmt.Errorf("cannot use chunks of %d bytes: they have %d to %d", chunk, ota.MinChunk, ota.MaxChunk)
	}
	if !ota.ValidFileName(name) {
		return ota.File{}, fmt.Errorf("cannot name a file %q: use up to %d letters, digits, '_', '-' and '.'", name,
			ota.MaxFileName)
	}
	f := ota.File{Name: name, Chunk: chunk, Encoding: ota.Plain}
	whole, buffer := sha256.New(), make([]byte, chunk)
	for {
		n, err := io.ReadFull(r, buffer)
		if n > 0 {
			f.Size += int64(n)
			f.Chunks = append(f.Chunks, sha256.Sum256(buffer[:n]))
			whole.Write(buffer[:n])
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			f.SHA256 = ota.Digest(whole.Sum(nil))
			return f, nil
		case err != nil:
			return ota.File{}, fmt.Errorf("cannot read %s: %w", name, err)
		}
	}
}
