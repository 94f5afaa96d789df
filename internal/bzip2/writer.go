package bzip2

import (
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
)

// Writer writes one stream. Close ends it.
type Writer struct {
	out   bitWriter
	limit int // bytes of a block
	level int
	began bool

	block []byte // with runs counted
	sum   uint32 // of the block's bytes, runs expanded
	total uint32 // of the sums
	sums  [256]uint32
	last  byte
	run   int // how often last was written in a row and is not in block
}

// A run is four bytes and a count of up to 251 more (the highest that other
// writers use).
const (
	counted = 4
	maxRun  = counted + 251
	// blockMargin is how much of a block is left unused, as by the bzip2 command.
	blockMargin = 19
)

// NewWriter returns a Writer of a level from 1 to 9. A reader takes memory for
// blocks of so many hundred thousand bytes.
func NewWriter(w io.Writer, level int) (*Writer, error) {
	if level < 1 || level > maxLevel {
		return nil, fmt.Errorf("cannot write bzip2 of level %d: it is 1 to %d", level, maxLevel)
	}
	limit := level*blockUnit - blockMargin
	return &Writer{out: bitWriter{w: w}, level: level, limit: limit, block: make([]byte, 0, limit), sum: ^uint32(0),
		sums: checksums()}, nil
}

// Write adds p to the stream.
func (w *Writer) Write(p []byte) (int, error) {
	for _, c := range p {
		if w.run > 0 && (c != w.last || w.run == maxRun) {
			w.flushRun()
		}
		w.last = c
		w.run++
	}
	return len(p), w.out.err
}

// flushRun moves a run into the block. The one that does not fit begins another.
func (w *Writer) flushRun() {
	if len(w.block)+counted+1 > w.limit {
		w.flushBlock()
	}
	for range min(w.run, counted) {
		w.block = append(w.block, w.last)
	}
	if w.run >= counted {
		w.block = append(w.block, byte(w.run-counted))
	}
	for range w.run {
		w.sum = w.sum<<8 ^ w.sums[byte(w.sum>>24)^w.last]
	}
	w.run = 0
}

func (w *Writer) flushBlock() {
	if len(w.block) == 0 {
		return
	}
	w.begin()
	sum := ^w.sum
	w.total = bits.RotateLeft32(w.total, 1) ^ sum
	w.encode(sum)
	w.block, w.sum = w.block[:0], ^uint32(0)
}

// begin writes the head, once.
func (w *Writer) begin() {
	if w.began {
		return
	}
	w.began = true
	for _, c := range []byte{'B', 'Z', 'h', byte('0' + w.level)} {
		w.out.put(8, uint32(c))
	}
}

// Close ends the stream. It does not close what the stream is written to.
func (w *Writer) Close() error {
	if w.run > 0 {
		w.flushRun()
	}
	w.flushBlock()
	w.begin()
	w.out.magic(endMagic)
	w.out.put(32, w.total)
	w.out.pad()
	return w.out.err
}

// checksums gives the table of CRC-32 with the highest bit first, which the
// standard library has the other way round.
func checksums() (t [256]uint32) {
	reflected := crc32.MakeTable(crc32.IEEE)
	for i := range t {
		t[i] = bits.Reverse32(reflected[bits.Reverse8(uint8(i))])
	}
	return t
}

// bitWriter writes bits, the highest of a byte first.
type bitWriter struct {
	w    io.Writer
	word uint64
	have uint
	buf  []byte
	err  error
}

func (b *bitWriter) put(n uint, v uint32) {
	b.word = b.word<<n | uint64(v)
	b.have += n
	for b.have >= 8 {
		b.have -= 8
		b.buf = append(b.buf, byte(b.word>>b.have))
	}
	const enough = 32 << 10
	if len(b.buf) >= enough {
		b.flush()
	}
}

func (b *bitWriter) magic(v uint64) {
	b.put(24, uint32(v>>24))
	b.put(24, uint32(v&0xffffff))
}

func (b *bitWriter) pad() {
	if b.have > 0 {
		b.put(8-b.have, 0)
	}
	b.flush()
}

func (b *bitWriter) flush() {
	if b.err == nil {
		_, b.err = b.w.Write(b.buf)
	}
	b.buf = b.buf[:0]
}
