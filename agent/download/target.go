package download

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"syscall"

	"otafleet/agent/download/policy"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// target is one file on its way into its place.
type target struct {
	file   *ota.File
	place  firmware.Target
	chunks policy.Chunks
	have   int64  // bytes of the kept ones
	shared *entry // of a cache that gets a copy; nil for none

	// whole hashes the file's bytes in order; the first followed chunks are in.
	whole    hash.Hash
	followed int

	recalled bool // what is kept was not read by this download

	known   Known // nil knows nothing
	isWhole bool  // known: nothing is hashed for the whole
}

// trust takes what is known of the file.
func (t *target) trust(k Known) {
	t.known, t.isWhole = k, k != nil && k.IsWhole(t.file)
}

// held is which chunks of files were in place when a download ended, by the
// files' digests.
type held map[ota.Digest]policy.Chunks

// remember is what a download that goes on later need not read again.
func remember(targets []*target) held {
	h := held{}
	for _, t := range targets {
		if t.have > 0 {
			h[t.file.SHA256] = t.chunks
		}
	}
	return h
}

// recall takes up what an earlier download has found, and reports whether it
// did. It is believed for as long as the whole file's hash is right in the end.
func (t *target) recall(h held) bool {
	before, is := h[t.file.SHA256]
	if !is || before.Len() != t.chunks.Len() {
		return false
	}
	t.recalled = true
	for i := range before.Len() {
		if before.Kept(i) {
			_, length := t.file.ChunkAt(i)
			t.chunks.Keep(i)
			t.have += length
		}
	}
	return true
}

// forget makes the target one whose place has not been looked at.
func (t *target) forget() {
	t.chunks.Clear()
	t.have, t.followed, t.recalled = 0, 0, false
	t.whole.Reset()
}

// newTarget checks that the file is described well enough to be verified. The
// manifest's reader has checked it before; a download does not depend on that.
func newTarget(file *ota.File, place firmware.Target) (*target, error) {
	n := len(file.Chunks)
	switch {
	case place == nil:
		return nil, fmt.Errorf("file %s has no place", file.Name)
	case file.Size < 0 || file.Size > ota.MaxFileSize:
		return nil, fmt.Errorf("file %s: size %d is out of range", file.Name, file.Size)
	case file.Size > 0 && (file.Chunk < 1 || file.Chunk > ota.MaxChunk):
		return nil, fmt.Errorf("file %s: chunk of %d bytes is out of range", file.Name, file.Chunk)
	case file.Size == 0 && n != 0, file.Size > 0 && int64(n) != (file.Size+file.Chunk-1)/file.Chunk:
		return nil, fmt.Errorf("file %s: %d chunk hashes do not fit its size", file.Name, n)
	}
	return &target{file: file, place: place, chunks: policy.NewChunks(n), whole: sha256.New()}, nil
}

// scan reads the place and keeps the chunks that are there already. A place
// that cannot be read is one that holds nothing.
func (t *target) scan(ctx context.Context, buf []byte) error {
	for i := range t.chunks.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		offset, length := t.file.ChunkAt(i)
		n, _ := t.place.ReadAt(buf[:length], offset)
		if n == 0 {
			return nil // the place ends here
		}
		if t.matches(i, buf[:n]) {
			t.keep(i, buf[:n])
		}
	}
	return nil
}

// matches reports whether data is chunk i.
func (t *target) matches(i int, data []byte) bool {
	_, length := t.file.ChunkAt(i)
	if int64(len(data)) != length {
		return false
	}
	return t.known != nil && t.known.Has(t.file.Chunks[i], data) || sha256.Sum256(data) == t.file.Chunks[i]
}

// write makes a verified chunk durable. Only now is it kept. The whole file's hash is
// taken of it while the disk works; nothing is read of the answer meanwhile, since a
// power cut would cost that besides the chunk.
func (t *target) write(i int, data []byte) error {
	if err := t.put(i, data); err != nil {
		return err
	}
	synced := make(chan error, 1)
	go func() { synced <- t.sync() }()
	t.follow(i, data)
	if err := <-synced; err != nil {
		return err
	}
	t.keep(i, data)
	if t.shared != nil {
		offset, _ := t.file.ChunkAt(i)
		t.shared.write(data, offset)
	}
	return nil
}

// put writes chunk i, which is durable after the next sync.
func (t *target) put(i int, data []byte) error {
	offset, _ := t.file.ChunkAt(i)
	if _, err := t.place.WriteAt(data, offset); err != nil {
		return placeFailure("write", t.file.Name, err)
	}
	return nil
}

// sync makes durable what was put.
func (t *target) sync() error {
	if err := t.place.Sync(); err != nil {
		return placeFailure("sync", t.file.Name, err)
	}
	return nil
}

// keep notes that chunk i, which is data, is in place.
func (t *target) keep(i int, data []byte) {
	t.chunks.Keep(i)
	t.have += int64(len(data))
	t.follow(i, data)
}

// follow hashes chunk i for the whole file, if it is the next one.
func (t *target) follow(i int, data []byte) {
	if i == t.followed && !t.isWhole {
		t.whole.Write(data)
		t.followed++
	}
}

// finish checks the whole file's hash, once every chunk is kept. What is known is
// known of what was read: of a place that was not, it is said of other bytes.
func (t *target) finish(ctx context.Context, buf []byte) error {
	if t.isWhole && !t.recalled {
		return nil
	}
	for t.followed < t.chunks.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		offset, length := t.file.ChunkAt(t.followed)
		if n, err := t.place.ReadAt(buf[:length], offset); int64(n) < length {
			return placeFailure("read", t.file.Name, err)
		}
		t.whole.Write(buf[:length])
		t.followed++
	}
	if ota.Digest(t.whole.Sum(nil)) != t.file.SHA256 {
		return &ota.Failure{Code: ota.DigestMismatch,
			Detail: fmt.Sprintf("file %s: every chunk is right, but the manifest's sha256 is of other bytes", t.file.Name)}
	}
	if t.known != nil && !t.recalled {
		t.known.Whole(t.file)
	}
	return nil
}

// placeFailure names what went wrong with a place. A place may name it itself.
func placeFailure(verb, file string, err error) error {
	var failure *ota.Failure
	if errors.As(err, &failure) {
		return failure
	}
	code := ota.WriteFailed
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		code = ota.SpaceLow
	}
	return &ota.Failure{Code: code, Detail: fmt.Sprintf("cannot %s the place of %s: %v", verb, file, err)}
}

// Verify says how many bytes of the files are not in their places yet, by the
// signed hashes. When none are missing, it has checked the whole files too: it
// then fails with code digest_mismatch where a manifest contradicts itself.
func Verify(ctx context.Context, files []ota.File, places []firmware.Target) (missing int64, err error) {
	targets, err := newTargets(files, places)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, largestChunk(targets))
	for _, t := range targets {
		if err := t.scan(ctx, buf); err != nil {
			return 0, fmt.Errorf("cannot verify %s: %w", t.file.Name, err)
		}
		if missing += t.file.Size - t.have; t.chunks.Left() > 0 {
			continue
		}
		if err := t.finish(ctx, buf); err != nil {
			return 0, err
		}
	}
	return missing, nil
}

func newTargets(files []ota.File, places []firmware.Target) ([]*target, error) {
	if len(files) != len(places) {
		return nil, &ota.Failure{Code: ota.Internal, Detail: fmt.Sprintf("%d files have %d places", len(files), len(places))}
	}
	targets := make([]*target, len(files))
	for i := range files {
		t, err := newTarget(&files[i], places[i])
		if err != nil {
			return nil, &ota.Failure{Code: ota.ManifestMismatch, Detail: err.Error()}
		}
		targets[i] = t
	}
	return targets, nil
}

// largestChunk is the size of the buffer that the targets need.
func largestChunk(targets []*target) int {
	var n int64
	for _, t := range targets {
		n = max(n, min(t.file.Chunk, t.file.Size))
	}
	return int(n)
}
