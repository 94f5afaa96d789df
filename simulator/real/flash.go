package real

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/real/netem"
)

// flash is the simulated flash of one component: it outlives power cuts, and
// knows which chunks it holds rather than the bytes. It keeps the contract of an
// installer, but for one thing: it takes whole chunks only, as the agent writes
// them.
type flash struct {
	// Immutable.
	chunks  *chunks
	install time.Duration // that an activation takes
	// wrong is called with a write of bytes that do not have the signed digest.
	wrong func(text string)

	mu      sync.Mutex // guards the following
	slots   model.Slots
	have    [][]bool     // chunks of each file in the inactive place
	pieces  []ota.Digest // of a file without chunks: what was written, piece by piece
	written int64        // verified bytes, over all jobs
}

var _ firmware.Installer = (*flash)(nil)

// Inspect says what runs.
func (f *flash) Inspect(context.Context) (firmware.Inspection, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return firmware.Inspection{Version: f.slots.Running}, nil
}

// Open gives the inactive place. Chunks of the same image are still there.
func (f *flash) Open(_ context.Context, job firmware.Job) ([]firmware.Target, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slots.Open(&job) {
		f.have = make([][]bool, len(job.Files))
		for i := range job.Files {
			f.have[i] = make([]bool, len(job.Files[i].Chunks))
		}
		f.pieces = nil
	}
	places := make([]firmware.Target, len(job.Files))
	for i := range places {
		if job.Files[i].Claimed != nil {
			places[i] = &claimedSector{flash: f, size: job.Files[i].Size}
			continue
		}
		places[i] = &sector{flash: f, file: &job.Files[i], have: f.have[i]}
	}
	return places, nil
}

// Stage checks that every chunk is there.
func (f *flash) Stage(_ context.Context, job firmware.Job) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, have := range f.have {
		if k := slices.Index(have, false); k >= 0 && f.slots.Holds(&job) {
			return firmware.Failf(ota.DigestMismatch, "%s: chunk %d is missing", job.Files[i].Name, k)
		}
	}
	if err := f.checkClaimed(&job); err != nil {
		return err
	}
	return f.slots.Stage(&job)
}

// Activate takes the time of an installation; a cut in it leaves the old
// version running.
func (f *flash) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	f.mu.Lock()
	already, err := f.slots.Ready(&job)
	f.mu.Unlock()
	switch {
	case err != nil:
		return firmware.RestartNone, err
	case already:
		return f.slots.Restart, nil
	}
	netem.Sleep(ctx, f.install)
	if ctx.Err() != nil {
		return firmware.RestartNone, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slots.Activate()
	f.have, f.pieces = nil, nil // its chunks are not looked at again
	return f.slots.Restart, nil
}

// Commit makes the running version permanent.
func (f *flash) Commit(_ context.Context, job firmware.Job) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slots.Commit(&job)
}

// Revert brings the previous version back.
func (f *flash) Revert(_ context.Context, job firmware.Job) (firmware.Restart, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slots.Revert(&job), nil
}

// writtenBytes is how many verified bytes were written.
func (f *flash) writtenBytes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written
}

// version is what runs.
func (f *flash) version() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slots.Running
}

// sector is the inactive place of one file.
type sector struct {
	flash *flash
	file  *ota.File
	have  []bool // guarded by flash.mu
}

// WriteAt takes one whole chunk, as the agent writes them. The flash checks
// what an unsimulated one could not: that the bytes are the signed ones.
func (s *sector) WriteAt(p []byte, off int64) (int, error) {
	i := int(off / s.file.Chunk)
	at, length := int64(0), int64(-1)
	if off >= 0 && i < len(s.have) {
		at, length = s.file.ChunkAt(i)
	}
	if off != at || int64(len(p)) != length {
		return 0, fmt.Errorf("cannot write %d bytes at %d: the flash takes whole chunks", len(p), off)
	}
	if !s.flash.chunks.put(s.file.Chunks[i], p) {
		s.flash.wrong(fmt.Sprintf("%s: unverified bytes were written as chunk %d", s.file.Name, i))
		return 0, fmt.Errorf("cannot write chunk %d: it is not the signed one", i)
	}
	s.flash.mu.Lock()
	defer s.flash.mu.Unlock()
	s.have[i] = true
	s.flash.written += length
	return len(p), nil
}

// ReadAt gives the chunks that were written, zeros where one was not, and the
// end of the file behind the last one.
func (s *sector) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read at %d", off)
	}
	for n < len(p) {
		i := int((off + int64(n)) / s.file.Chunk)
		chunk, end := s.chunk(i)
		within := off + int64(n) - int64(i)*s.file.Chunk
		if end || within >= int64(len(chunk)) {
			return n, io.EOF
		}
		n += copy(p[n:], chunk[within:])
	}
	return n, nil
}

// chunk returns what is read of chunk i; end is true behind the last written
// one.
func (s *sector) chunk(i int) (chunk []byte, end bool) {
	s.flash.mu.Lock()
	defer s.flash.mu.Unlock()
	if i >= len(s.have) || !slices.Contains(s.have[i:], true) {
		return nil, true
	}
	if s.have[i] {
		chunk = s.flash.chunks.get(s.file.Chunks[i])
	}
	if chunk == nil {
		_, length := s.file.ChunkAt(i)
		chunk = make([]byte, length)
	}
	return chunk, false
}

// Sync does nothing: every write is durable.
func (s *sector) Sync() error { return nil }

// Close does nothing.
func (s *sector) Close() error { return nil }
