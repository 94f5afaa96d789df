package bzip2

import (
	"errors"
	"io"
)

// bitReader reads a stream bit by bit, the highest bit of a byte first, from any
// place of it.
type bitReader struct {
	src    io.ReaderAt
	end    int64 // the first byte that is not the stream's
	at     int64 // the byte that follows those in buf
	word   uint64
	have   uint // bits of word that were not taken, at its low end
	buf    [4 << 10]byte
	next   int // of the bytes in buf, the first that is not in word
	filled int
	err    error
}

// seek goes to a bit of the source.
func (b *bitReader) seek(bit int64) {
	b.at, b.word, b.have, b.next, b.filled = bit/8, 0, 0, 0, 0
	b.take(uint(bit % 8))
}

// position is the bit of the source that is read next.
func (b *bitReader) position() int64 { return (b.at-int64(b.filled-b.next))*8 - int64(b.have) }

// peek returns the next n bits, at most 32, without taking them. After the end
// of the source they are zeros, and err is set.
func (b *bitReader) peek(n uint) uint32 {
	for b.have < n {
		b.word = b.word<<8 | uint64(b.load())
		b.have += 8
	}
	return uint32(b.word >> (b.have - n) & (1<<n - 1))
}

func (b *bitReader) take(n uint) uint32 {
	v := b.peek(n)
	b.have -= n
	return v
}

func (b *bitReader) flag() bool { return b.take(1) == 1 }

// magic takes the 48 bits that a block begins with.
func (b *bitReader) magic() uint64 { return uint64(b.take(24))<<24 | uint64(b.take(24)) }

func (b *bitReader) load() byte {
	if b.next == b.filled && !b.fill() {
		return 0
	}
	c := b.buf[b.next]
	b.next++
	return c
}

func (b *bitReader) fill() bool {
	want := min(b.end-b.at, int64(len(b.buf)))
	if b.err != nil || want <= 0 {
		b.fail(io.ErrUnexpectedEOF)
		return false
	}
	n, err := b.src.ReadAt(b.buf[:want], b.at)
	b.next, b.filled, b.at = 0, n, b.at+int64(n)
	if n > 0 {
		return true
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	b.fail(err)
	return false
}

// fail keeps the first error.
func (b *bitReader) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}
