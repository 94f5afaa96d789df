package download

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/time/rate"

	"otafleet/agent/download/policy"
	"otafleet/internal/ota"
)

// maxEmpty is how many reads in a row may bring neither bytes nor an error.
const maxEmpty = 100

// stream reads one answer into one target.
type stream struct {
	body   io.Reader
	watch  *watch
	limit  *rate.Limiter // nil for none
	target *target
	buf    []byte // holds a chunk
	// arrived is called with the bytes of each chunk that is now in place.
	arrived func(n int64)

	answer policy.Answer
}

// read walks the chunks from first to end-1 with a body that starts at byte at
// of the file. It skips what is kept, writes what is right and marks what is
// not. It returns nil when it has seen all of them, a *ota.Failure of the
// place, or what ended the body.
func (s *stream) read(ctx context.Context, at int64, first, end int) error {
	for i := first; i < end; i++ {
		if s.target.chunks.Kept(i) {
			continue
		}
		offset, length := s.target.file.ChunkAt(i)
		if err := s.skip(ctx, offset-at); err != nil {
			return err
		}
		data := s.buf[:length]
		if err := s.fill(ctx, data); err != nil {
			return err
		}
		at = offset + length
		if !s.target.matches(i, data) {
			if another := s.answer.Wrong(&s.target.chunks, i); another != nil {
				return &refusal{Failure: *another}
			}
			continue
		}
		if err := s.write(i, data); err != nil {
			return err
		}
	}
	if spoilt := s.answer.Whole(); spoilt != nil {
		return &refusal{Failure: *spoilt}
	}
	return nil
}

// write stores a verified chunk. The server is not blamed for the time it takes.
func (s *stream) write(i int, data []byte) error {
	s.watch.pause()
	defer s.watch.resume()
	if err := s.target.write(i, data); err != nil {
		return err
	}
	s.answer.Right()
	s.arrived(int64(len(data)))
	return nil
}

// skip discards n bytes.
func (s *stream) skip(ctx context.Context, n int64) error {
	for n > 0 {
		part := s.buf[:min(n, int64(len(s.buf)))]
		if err := s.fill(ctx, part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return nil
}

// fill reads exactly len(p) bytes.
func (s *stream) fill(ctx context.Context, p []byte) error {
	empty := 0
	for len(p) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := p
		if s.limit != nil {
			part = p[:min(len(p), s.limit.Burst())] // what the limit lets through at once
		}
		n, err := s.body.Read(part)
		p = p[n:]
		switch {
		case len(p) == 0:
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return refusef(ota.SizeMismatch, "the answer ends too early")
		case err != nil:
			return err
		}
		if n == 0 {
			if empty++; empty == maxEmpty {
				return io.ErrNoProgress
			}
			continue
		}
		empty = 0
		s.watch.received(n)
		if err := s.throttle(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// throttle waits until n bytes were within the rate limit.
func (s *stream) throttle(ctx context.Context, n int) error {
	if s.limit == nil || s.limit.AllowN(time.Now(), n) {
		return nil
	}
	s.watch.pause()
	defer s.watch.resume()
	return s.limit.WaitN(ctx, n)
}
