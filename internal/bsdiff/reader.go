package bsdiff

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"otafleet/internal/bzip2"
)

// ErrMalformed says that a patch breaks a rule of the format.
var ErrMalformed = errors.New("malformed patch")

// What a Reader takes. Streams of small blocks have a space each; those of
// large ones share one, and read ahead, so that they seldom have to give it up
// to one another.
const (
	piece       = 16 << 10   // bytes of the old image that are read at once
	ahead       = 16 << 10   // bytes that triples and new parts are read ahead
	farAhead    = 96 << 10   // the same where they share a space
	spaces      = 3          // streams
	spaceBudget = 2250 << 10 // bytes for the spaces
)

// Old is the image that a patch starts from.
type Old interface {
	io.ReaderAt
	Size() int64 // bytes
}

// Reader gives the new image. It is an io.Reader.
type Reader struct {
	size int64 // of the new image
	old  Old

	triples, added, extra io.Reader
	add, take             int64  // bytes left of the triple in work
	move                  int64  // what to move on by after it
	at                    int64  // in the old image
	left                  int64  // bytes of the new image that no triple has covered yet
	piece                 []byte // of the old image, read ahead
	pieceAt               int64  // where it begins
	buf                   [piece]byte
}

// NewReader begins to apply a patch of size bytes to old. Errors are
// ErrMalformed, those of the source, and those of package bzip2.
func NewReader(old Old, patch io.ReaderAt, size int64) (*Reader, error) {
	var head [headerBytes]byte
	if size < headerBytes {
		return nil, fmt.Errorf("%w: %d bytes are no patch", ErrMalformed, size)
	}
	if _, err := patch.ReadAt(head[:], 0); err != nil {
		return nil, err
	}
	first, second, result := getNumber(head[8:]), getNumber(head[16:]), getNumber(head[24:])
	switch rest := size - headerBytes; {
	case string(head[:len(magic)]) != magic:
		return nil, fmt.Errorf("%w: it does not begin with %s", ErrMalformed, magic)
	case first < 0 || second < 0 || result < 0, first > rest, second > rest-first:
		return nil, fmt.Errorf("%w: its header does not fit it", ErrMalformed)
	}
	r := &Reader{old: old, size: result, left: result}
	return r, r.open(patch, [spaces + 1]int64{headerBytes, headerBytes + first, headerBytes + first + second, size})
}

// open opens the three streams, which lie between the bounds.
func (r *Reader) open(patch io.ReaderAt, bounds [spaces + 1]int64) error {
	var need int64
	for _, at := range bounds[:spaces] {
		var head [4]byte
		if n, err := patch.ReadAt(head[:], at); n < len(head) && !errors.Is(err, io.EOF) {
			return err
		}
		level, err := bzip2.Level(head[:])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		need += bzip2.Need(level)
	}
	space, window := new(bzip2.Space), farAhead
	var streams [spaces]*bzip2.Reader
	for i := range streams {
		if need <= spaceBudget && i > 0 {
			space = new(bzip2.Space)
		}
		streams[i] = bzip2.NewReader(patch, bounds[i], bounds[i+1], space)
	}
	if need <= spaceBudget {
		window = ahead
	}
	r.triples, r.added, r.extra = bufio.NewReaderSize(streams[0], window), streams[1],
		bufio.NewReaderSize(streams[2], window)
	return nil
}

// Size is the size of the new image in bytes, as the patch says.
func (r *Reader) Size() int64 { return r.size }

// Read gives the next bytes of the new image. It fills p unless the image ends.
func (r *Reader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		given, err := r.next(p[n:])
		n += given
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// next gives the next bytes from one part of one triple.
func (r *Reader) next(p []byte) (int, error) {
	for r.add == 0 && r.take == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		if err := r.nextTriple(); err != nil {
			return 0, err
		}
	}
	if r.add > 0 {
		return r.sum(p[:min(int64(len(p)), r.add)])
	}
	n := min(int64(len(p)), r.take)
	if _, err := io.ReadFull(r.extra, p[:n]); err != nil {
		return 0, cut("new part", err)
	}
	if r.take -= n; r.take == 0 {
		r.at += r.move
	}
	return int(n), nil
}

// sum gives bytes of the old image, each with what is to be added. Beyond either
// end of the old image there are zeros.
func (r *Reader) sum(p []byte) (int, error) {
	if _, err := io.ReadFull(r.added, p); err != nil {
		return 0, cut("difference", err)
	}
	n := int64(len(p))
	for from, to := max(r.at, 0), min(r.at+n, r.old.Size()); from < to; {
		old, err := r.read(from)
		if err != nil {
			return 0, fmt.Errorf("cannot read the image that the patch starts from: %w", err)
		}
		old = old[:min(int64(len(old)), to-from)]
		sums := p[from-r.at:]
		for i, c := range old {
			sums[i] += c
		}
		from += int64(len(old))
	}
	r.at += n
	if r.add -= n; r.add == 0 && r.take == 0 {
		r.at += r.move
	}
	return len(p), nil
}

// read gives some bytes of the old image from an offset that is in it.
func (r *Reader) read(from int64) ([]byte, error) {
	if ahead := from - r.pieceAt; ahead >= 0 && ahead < int64(len(r.piece)) {
		return r.piece[ahead:], nil
	}
	n, err := r.old.ReadAt(r.buf[:min(piece, r.old.Size()-from)], from)
	r.piece, r.pieceAt = r.buf[:n], from
	if n == 0 {
		return nil, unexpected(err)
	}
	return r.piece, nil
}

func (r *Reader) nextTriple() error {
	var b [tripleBytes]byte
	if _, err := io.ReadFull(r.triples, b[:]); err != nil {
		return cut("triple", err)
	}
	r.add, r.take, r.move = getNumber(b[:]), getNumber(b[numberBytes:]), getNumber(b[2*numberBytes:])
	// A move further than this leads out of any image, and could overflow.
	const far = 1 << 60
	if r.add < 0 || r.take < 0 || r.add > r.left || r.take > r.left-r.add || max(r.move, -r.move, r.at, -r.at) > far {
		return fmt.Errorf("%w: a triple leads out of the image", ErrMalformed)
	}
	r.left -= r.add + r.take
	if r.add == 0 && r.take == 0 {
		r.at += r.move
	}
	return nil
}

// cut says which stream ends too early or is malformed.
func cut(what string, err error) error {
	return fmt.Errorf("%w: its next %s: %w", ErrMalformed, what, unexpected(err))
}

func unexpected(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
