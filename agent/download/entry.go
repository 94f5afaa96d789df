package download

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// entry is one file of a Cache.
type entry struct {
	digest ota.Digest
	turn   chan struct{} // holds one token while something reads or writes the file

	// Guarded by the Cache's mu.
	users int       // have the turn, or wait for it
	used  time.Time // when the last of them left
	room  int64     // bytes that are set aside for it

	// Owned by whoever has the turn; failed is read by the last one to leave, too.
	file    *firmware.File // nil where there is no room
	written bool
	failed  bool // it cannot be written
}

// read gives what the entry holds at offset; less than asked for where it ends.
func (e *entry) read(p []byte, offset int64) []byte {
	n, _ := e.file.ReadAt(p, offset)
	return p[:n]
}

// write keeps a copy of a verified chunk. It is not made durable: what a power
// cut takes, the next device fetches again, or has in its own place.
func (e *entry) write(p []byte, offset int64) {
	if e.failed {
		return
	}
	_, err := e.file.WriteAt(p, offset)
	e.written, e.failed = true, err != nil
}

// close ends a turn.
func (e *entry) close(log *slog.Logger) {
	if e.file == nil {
		return
	}
	var err error
	if e.written && !e.failed {
		err = e.file.Sync() // once a turn is enough, since nothing relies on it
	}
	if err = errors.Join(err, e.file.Close()); err != nil || e.failed {
		log.Warn("cannot keep a package for those that need it, too", "error", err)
		e.failed = true
	}
	e.file, e.written = nil, false
}

// trade lets the place take from the cache the chunks that it lacks, and the
// cache from the place: a cut may have cost either of them some. took hears
// the bytes of each chunk that is now in the place.
func (t *target) trade(ctx context.Context, buf []byte, took func(n int64)) error {
	taken := false
	for i := range t.chunks.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		offset, length := t.file.ChunkAt(i)
		data := buf[:length]
		shared := t.matches(i, t.shared.read(data, offset))
		switch {
		case t.chunks.Kept(i) && !shared:
			if n, _ := t.place.ReadAt(data, offset); t.matches(i, data[:n]) {
				t.shared.write(data, offset)
			}
		case !t.chunks.Kept(i) && shared:
			if err := t.put(i, data); err != nil {
				return err
			}
			t.keep(i, data)
			taken = true
			took(length)
		}
	}
	if !taken {
		return nil
	}
	// One sync serves them all: a cut before it costs no download.
	return t.sync()
}
