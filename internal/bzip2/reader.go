package bzip2

import "io"

// Reader reads one stream. It is an io.Reader that fills what it is given
// unless the stream ends.
type Reader struct {
	space *Space
	in    bitReader
	limit int // bytes of a block
	began bool
	err   error // what every further Read returns

	blockAt int64 // the bit behind the magic of the block in work
	nextAt  int64 // the bit where the next block begins
	block   block
	left    int    // bytes of the block that were not taken
	place   uint32 // of the next one, in the chain

	last  byte // the byte taken before
	same  int  // how often it was taken in a row: four are followed by a count
	again int  // how often it is still to be given
}

// NewReader returns a Reader of the stream that begins at offset from of src
// and ends before to.
func NewReader(src io.ReaderAt, from, to int64, space *Space) *Reader {
	r := &Reader{space: space, in: bitReader{src: src, end: to}, nextAt: from * 8}
	r.in.seek(r.nextAt)
	return r
}

// Read reads the next bytes. Errors are io.EOF at the end of the stream,
// ErrMalformed, io.ErrUnexpectedEOF, and those of the source.
func (r *Reader) Read(p []byte) (n int, err error) {
	for n < len(p) && r.err == nil {
		if r.again > 0 {
			fill := min(r.again, len(p)-n)
			for i := range fill {
				p[n+i] = r.last
			}
			n, r.again = n+fill, r.again-fill
			continue
		}
		if r.left == 0 {
			r.err = r.nextBlock()
			continue
		}
		if r.space.owner != r {
			r.err = r.decode()
			continue
		}
		n += r.follow(p[n:])
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, r.err
}

// follow takes bytes of the block until p is full, a run begins, or the block
// ends.
func (r *Reader) follow(p []byte) int {
	const counted = 4
	for n := range p {
		if r.left == 0 {
			return n
		}
		c := r.block.byteAt(r.place)
		r.place = r.space.link(r.place)
		r.left--
		if r.same == counted {
			r.same, r.again = 0, int(c)
			return n
		}
		if c != r.last {
			r.same = 0
		}
		r.last, p[n] = c, c
		r.same++
	}
	return len(p)
}

// nextBlock begins the next block, or finds the end.
func (r *Reader) nextBlock() error {
	if !r.began {
		level, err := r.header()
		if err != nil {
			return err
		}
		r.began, r.limit = true, level*blockUnit
	}
	r.in.seek(r.nextAt)
	switch magic := r.in.magic(); {
	case r.in.err != nil:
		return r.in.err
	case magic == endMagic:
		return io.EOF
	case magic != blockMagic:
		return ErrMalformed
	}
	r.blockAt = r.in.position()
	if err := r.decode(); err != nil {
		return err
	}
	r.nextAt = r.in.position()
	r.left, r.place, r.same = r.block.size, r.block.first, 0
	return nil
}

func (r *Reader) header() (int, error) {
	var head [headerBytes]byte
	for i := range head {
		head[i] = byte(r.in.take(8))
	}
	if r.in.err != nil {
		return 0, r.in.err
	}
	r.nextAt += headerBytes * 8
	return Level(head[:])
}

// decode puts the block in work into the space, the first time or again.
func (r *Reader) decode() error {
	r.space.owner = nil
	r.in.seek(r.blockAt)
	if err := r.space.decode(&r.in, &r.block, r.limit); err != nil {
		return err
	}
	r.space.owner = r
	return nil
}
