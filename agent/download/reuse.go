package download

import (
	"context"
	"crypto/sha256"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// reuse takes missing chunks from the version that runs, where the place can
// show it: it is read once, chunk by chunk, and what has the hash of a missing
// chunk is that chunk, wherever it lies. What cannot be read there is fetched.
func (t *target) reuse(ctx context.Context, buf []byte) error {
	seed, is := t.place.(firmware.Seed)
	if !is || t.chunks.Left() == 0 {
		return nil
	}
	running := seed.Running()
	if running == nil {
		return nil
	}
	buf = buf[:min(t.file.Chunk, t.file.Size)]
	wanted := t.wanted()
	var taken []int
	for offset := int64(0); len(wanted) > 0; offset += t.file.Chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, _ := running.ReadAt(buf, offset)
		digest := ota.Digest(sha256.Sum256(buf[:n]))
		for _, i := range wanted[digest] {
			if err := t.put(i, buf[:n]); err != nil {
				return err
			}
			taken = append(taken, i)
		}
		delete(wanted, digest)
		if n < len(buf) {
			break // the running version ends here, or cannot be read further
		}
	}
	return t.settle(taken)
}

// wanted are the missing chunks by their hashes; several may be the same.
func (t *target) wanted() map[ota.Digest][]int {
	wanted := make(map[ota.Digest][]int, t.chunks.Left())
	for i, digest := range t.file.Chunks {
		if !t.chunks.Kept(i) {
			wanted[digest] = append(wanted[digest], i)
		}
	}
	return wanted
}

// settle keeps copied chunks once they are durable. One sync serves them all: a
// cut before it costs no download.
func (t *target) settle(taken []int) error {
	if len(taken) == 0 {
		return nil
	}
	if err := t.sync(); err != nil {
		return err
	}
	for _, i := range taken {
		_, length := t.file.ChunkAt(i)
		t.chunks.Keep(i)
		t.have += length
	}
	return nil
}
