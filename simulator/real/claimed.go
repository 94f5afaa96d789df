package real

import (
	"crypto/sha256"
	"fmt"
	"io"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// pieceSize is how many bytes of a file without chunks the agent writes at once, but
// for the end of the file.
const pieceSize = 16 << 10

// claimedSector is the inactive place of a file without chunks, for which the platform
// vouches. It takes whole pieces, as the agent writes them, and keeps their digests:
// the bytes are held once for all devices.
type claimedSector struct {
	flash *flash
	size  int64
}

// WriteAt takes one whole piece.
func (s *claimedSector) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off%pieceSize != 0 || int64(len(p)) != min(pieceSize, s.size-off) {
		return 0, fmt.Errorf("cannot write %d bytes at %d: the flash takes whole pieces", len(p), off)
	}
	digest := ota.Digest(sha256.Sum256(p))
	s.flash.chunks.put(digest, p)
	s.flash.mu.Lock()
	defer s.flash.mu.Unlock()
	i := int(off / pieceSize)
	for len(s.flash.pieces) <= i {
		s.flash.pieces = append(s.flash.pieces, ota.Digest{})
	}
	s.flash.pieces[i] = digest
	s.flash.written += int64(len(p))
	return len(p), nil
}

// ReadAt gives what was written, and the end of the file behind it.
func (s *claimedSector) ReadAt(p []byte, off int64) (n int, err error) {
	s.flash.mu.Lock()
	defer s.flash.mu.Unlock()
	for n < len(p) {
		at := off + int64(n)
		i := int(at / pieceSize)
		if at < 0 || i >= len(s.flash.pieces) {
			return n, io.EOF
		}
		piece := s.flash.chunks.get(s.flash.pieces[i])
		if within := at % pieceSize; within < int64(len(piece)) {
			n += copy(p[n:], piece[within:])
			continue
		}
		return n, io.EOF // the end, or what was there does not fit into the simulator's memory
	}
	return n, nil
}

// Sync does nothing: every write is durable.
func (s *claimedSector) Sync() error { return nil }

// Close does nothing.
func (s *claimedSector) Close() error { return nil }

// checkClaimed checks what an unsimulated flash could not: that a file without chunks
// is the one for which the platform vouches. The caller holds mu.
func (f *flash) checkClaimed(job *firmware.Job) error {
	if len(job.Files) != 1 || job.Files[0].Claimed == nil || !f.slots.Holds(job) {
		return nil
	}
	h := sha256.New()
	for _, digest := range f.pieces {
		h.Write(f.chunks.get(digest))
	}
	if ota.Digest(h.Sum(nil)) != job.Files[0].SHA256 {
		f.wrong(job.Files[0].Name + ": a file is staged that is not the one for which the platform vouches")
		return firmware.Failf(ota.DigestMismatch, "%s has another digest", job.Files[0].Name)
	}
	return nil
}
