package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"

	"otafleet/simulator/verdict"
)

// Reader reads the events of a record, in the order in which they were written.
type Reader struct {
	name    string
	file    io.ReadCloser
	decoder *zstd.Decoder
	parser  *parser
	ended   bool  // the record has an end, with
	events  int64 // so many events

	buffer []byte
	rest   []byte // of the buffer, not read yet
	eof    bool   // nothing comes behind it
	broken bool   // because the file breaks off
	line   int64  // the last one that was read
}

// readSize is how much is decompressed at once, in bytes.
const readSize = 256 << 10

func newReader(ctx context.Context, place Place, end *endDocument) (*Reader, error) {
	r := &Reader{name: pathOf(place, eventsFile), parser: newParser(), buffer: make([]byte, readSize+maxLine)}
	if end != nil {
		r.ended, r.events = true, end.Events
	}
	var err error
	r.file, err = place.Open(ctx, eventsFile)
	if errors.Is(err, fs.ErrNotExist) && end == nil { // a bucket has the file once it is whole
		r.file, err = io.NopCloser(bytes.NewReader(nil)), nil
	}
	if err != nil {
		return nil, err
	}
	// A window is what the file may ask of memory.
	r.decoder, err = zstd.NewReader(r.file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, errors.Join(err, r.file.Close())
	}
	return r, nil
}

// Next reads an event. At the end of the record it gives io.EOF; every other
// error says what is wrong, and with which line. A record without an end may
// break off anywhere; then the last whole line is its end.
func (r *Reader) Next(e *verdict.Event) error {
	line, err := r.nextLine()
	if err != nil {
		return err
	}
	if err := r.parser.parse(line, e); err != nil {
		return r.damaged(err)
	}
	return nil
}

// nextOf reads on to the next event of a device that is wanted.
func (r *Reader) nextOf(wanted func(device []byte) bool, e *verdict.Event) error {
	for {
		line, err := r.nextLine()
		if err != nil {
			return err
		}
		_, after, found := bytes.Cut(line, []byte(`"d":"`))
		name, _, _ := bytes.Cut(after, []byte(`"`))
		if !found || !wanted(name) {
			continue
		}
		if err := r.parser.parse(line, e); err != nil {
			return r.damaged(err)
		}
		return nil
	}
}

func (r *Reader) damaged(err error) error {
	return fmt.Errorf("%s is damaged in line %d: %w", r.name, r.line, err)
}

// nextLine gives the next line without its end. It is overwritten by the next
// call.
func (r *Reader) nextLine() ([]byte, error) {
	for {
		if end := bytes.IndexByte(r.rest, '\n'); end >= 0 {
			line := r.rest[:end]
			r.rest = r.rest[end+1:]
			r.line++
			return line, nil
		}
		if len(r.rest) > maxLine {
			r.line++
			return nil, r.damaged(fmt.Errorf("it is longer than %d bytes", maxLine))
		}
		if r.eof {
			return nil, r.atEnd()
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// fill decompresses more behind what is left.
func (r *Reader) fill() error {
	n := copy(r.buffer, r.rest)
	more, err := r.decoder.Read(r.buffer[n:])
	r.rest = r.buffer[:n+more]
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		r.eof = true
		return nil
	case !r.ended:
		r.eof, r.broken = true, true
		return nil
	}
	return fmt.Errorf("%s is damaged after line %d: %w", r.name, r.line+int64(bytes.Count(r.rest, []byte("\n"))), err)
}

// atEnd says how the record ends.
func (r *Reader) atEnd() error {
	switch {
	case !r.ended:
		r.broken = r.broken || len(r.rest) > 0
		return io.EOF
	case len(r.rest) > 0:
		r.line++
		return r.damaged(errors.New("it has no end"))
	case r.line != r.events:
		return fmt.Errorf("%s is damaged: it has %d events, and the run recorded %d", r.name, r.line, r.events)
	}
	return io.EOF
}

// Close lets go of the file.
func (r *Reader) Close() error {
	r.decoder.Close()
	return r.file.Close()
}
