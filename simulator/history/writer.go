package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"otafleet/internal/ota"
	"otafleet/simulator/verdict"
)

// Writer writes the record of a run that is under way. It is safe for concurrent
// use.
type Writer struct {
	place    Place
	document *document
	encoded  sync.Pool // of *[]byte: lines of the events that AddEvents is given

	mu      sync.Mutex // guards the following
	file    counted
	limit   int64         // bytes of events on the disk, after which none is kept; 0 for any number
	until   time.Duration // the time of the first event that was not kept; negative while all are
	encoder *zstd.Encoder
	buffer  []byte // lines that the encoder does not have yet
	events  int64
	err     error // the first failure; then nothing more is written
}

// bufferSize is how many bytes of lines are gathered for the encoder.
const bufferSize = 64 << 10

// IsFirst reports whether a file of this name may lie in a place before its record has
// begun: what a process leaves that is killed then.
func IsFirst(name string) bool {
	return name == scenarioFile || name == devicesFile || name == eventsFile
}

// Create begins the record of a run in a place that has none.
func Create(ctx context.Context, place Place, info Info) (*Writer, error) {
	names, err := place.Names(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot record the run: %w", err)
	}
	if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(infoFiles(), name) }) {
		return nil, fmt.Errorf("cannot record the run in %s: there is the record of another one; "+
			"choose another place, or remove it", place)
	}
	w := &Writer{place: place, document: newDocument(&info), buffer: make([]byte, 0, bufferSize+maxLine), until: -1}
	if err := w.create(ctx, &info); err != nil {
		return nil, fmt.Errorf("cannot record the run: %w", err)
	}
	return w, nil
}

func (w *Writer) create(ctx context.Context, info *Info) error {
	if err := w.place.Write(ctx, scenarioFile, info.Text); err != nil {
		return err
	}
	if info.Devices != nil {
		if err := w.place.Write(ctx, devicesFile, info.Devices); err != nil {
			return err
		}
	}
	var err error
	if w.file.WriteCloser, err = w.place.Create(ctx, eventsFile); err != nil {
		return err
	}
	// Two blocks are compressed beside the run, each in a small window: events
	// repeat themselves soon.
	w.encoder, err = zstd.NewWriter(&w.file, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(512<<10))
	if err == nil {
		err = w.document.begin(ctx, w.place) // the record is one from here on
	}
	if err != nil {
		return errors.Join(err, w.file.Close())
	}
	return nil
}

// Begin says that the run's own time begins, at the planned moment if there is one. Close
// returns a failure to write that.
func (w *Writer) Begin(start Start) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.document.Waiting, w.document.Start = false, newStart(&start)
	w.err = cmp.Or(w.err, w.document.begin(context.Background(), w.place))
}

// AddEvents records events. Each goroutine encodes its own, and none waits for another
// meanwhile. Close returns a failure to write.
func (w *Writer) AddEvents(events []verdict.Event) {
	encoded, used := w.encoded.Get().(*[]byte)
	if !used {
		encoded = new([]byte)
	}
	lines := (*encoded)[:0]
	for i := range events {
		lines = appendLine(lines, &events[i])
	}
	if len(events) > 0 {
		w.add(lines, len(events), events[0].At)
	}
	*encoded = lines
	w.encoded.Put(encoded)
}

// Limit lets no more events be kept once they take so many bytes, or up to a megabyte more:
// the run goes on without. It is called before there are any.
func (w *Writer) Limit(bytes int64) { w.limit = bytes }

// Until says since when events were not kept, for their limit; false if all were.
func (w *Writer) Until() (at time.Duration, limited bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.until, w.until >= 0
}

// counted counts what is written.
type counted struct {
	io.WriteCloser
	bytes atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.WriteCloser.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// add records so many events by their lines, the first of which is of a time.
func (w *Writer) add(lines []byte, events int, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit > 0 && w.until < 0 && w.file.bytes.Load() >= w.limit {
		w.until = at
	}
	if w.until >= 0 {
		return
	}
	w.events += int64(events)
	w.buffer = append(w.buffer, lines...)
	if len(w.buffer) >= bufferSize {
		w.flush()
	}
}

func (w *Writer) flush() {
	w.write(w.buffer)
	w.buffer = w.buffer[:0]
}

func (w *Writer) write(lines []byte) {
	if w.err == nil {
		_, w.err = w.encoder.Write(lines)
	}
}

// Close ends the record, also that of a run that was interrupted. The error is the first
// one of the whole record: then the record has no end, and says why if that can still be
// written. One that has reached its limit has no end either.
func (w *Writer) Close(end End) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	err := cmp.Or(w.err, w.encoder.Close(), w.file.Close())
	switch {
	case err != nil:
		w.document.Incomplete = err.Error()
		// The disk that has failed may fail again.
		_ = w.document.write(context.Background(), w.place, infoFile)
	case w.until >= 0:
		w.document.Incomplete = fmt.Sprintf("it has reached its limit of %s; the first event that it lacks is of %s",
			ota.FormatSize(w.limit), verdict.Seconds(w.until))
		err = w.document.write(context.Background(), w.place, infoFile)
	default:
		w.document.End = newEnd(&end, w.events)
		if w.document.Start != nil {
			w.document.Start.Began = end.Began.UTC()
		}
		err = w.document.write(context.Background(), w.place, infoFile)
	}
	if err != nil {
		return fmt.Errorf("cannot record the run: %w", err)
	}
	return nil
}

// Place is where the record is.
func (w *Writer) Place() Place { return w.place }

// Abandon closes the files of a run that did not come to its end. The record
// stays as that of a program that was killed.
func (w *Writer) Abandon() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	return errors.Join(w.err, w.encoder.Close(), w.file.Close())
}
