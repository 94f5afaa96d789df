package bsdiff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"otafleet/internal/bzip2"
	"otafleet/internal/suffixes"
)

// level is that of the streams: with blocks of 200,000 bytes a patch is some
// percent larger than with the 900,000 of the bsdiff command, and a device can
// hold one of each stream at once.
const level = 2

// Need is how many bytes of memory Make takes at most, with both images.
func Need(old, new int64) int64 {
	// The patch may become as large as the new image, before it is written.
	return old + 2*new + suffixes.Need(old)
}

// ErrTooLarge says that Make cannot take an image.
var ErrTooLarge = errors.New("an image must be smaller than 2 GiB to make a patch of it")

// Make writes the patch that turns old into new.
func Make(w io.Writer, old, new []byte) error {
	if int64(len(old)) >= math.MaxInt32 || int64(len(new)) >= math.MaxInt32 {
		return ErrTooLarge
	}
	var streams [spaces]stream
	for i := range streams {
		if err := streams[i].open(); err != nil {
			return err
		}
	}
	m := &matcher{old: old, new: new, order: suffixes.Sort(old)}
	for {
		p, found := m.next()
		if !found {
			break
		}
		streams[0].triple(p)
		streams[1].difference(new[p.at:p.at+p.add], old[p.from:])
		streams[2].write(new[p.at+p.add : p.at+p.add+p.take])
	}
	for i := range streams {
		if err := streams[i].Close(); err != nil {
			return err
		}
	}
	head := make([]byte, headerBytes)
	copy(head, magic)
	putNumber(head[8:], int64(streams[0].packed.Len()))
	putNumber(head[16:], int64(streams[1].packed.Len()))
	putNumber(head[24:], int64(len(new)))
	for _, part := range [][]byte{head, streams[0].packed.Bytes(), streams[1].packed.Bytes(), streams[2].packed.Bytes()} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("cannot write the patch: %w", err)
		}
	}
	return nil
}

// stream is one of the three, in the making.
type stream struct {
	*bzip2.Writer
	packed *bytes.Buffer
}

func (s *stream) open() (err error) {
	s.packed = new(bytes.Buffer)
	s.Writer, err = bzip2.NewWriter(s.packed, level)
	return err
}

// write never fails: a buffer takes every write.
func (s *stream) write(p []byte) { _, _ = s.Write(p) }

func (s *stream) triple(p part) {
	var b [tripleBytes]byte
	putNumber(b[:], int64(p.add))
	putNumber(b[numberBytes:], int64(p.take))
	putNumber(b[2*numberBytes:], int64(p.move))
	s.write(b[:])
}

// difference writes by how much each byte of new is larger than that of old.
func (s *stream) difference(new, old []byte) {
	var b [4 << 10]byte
	for len(new) > 0 {
		n := min(len(new), len(b))
		for i := range n {
			b[i] = new[i] - old[i]
		}
		s.write(b[:n])
		new, old = new[n:], old[n:]
	}
}
