package eventlog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// The files, in the state directory.
const (
	Name    = "events.jsonl"
	OldName = "events.jsonl.1" // the one before it
)

// DefaultMax is the size, in bytes, at which a file is rotated.
const DefaultMax = 256 << 10

// maxDetail bounds the bytes of a detail in a line.
const maxDetail = 1024

// Line is an event as it stands in the file. Fields may be added to it; none is
// renamed.
type Line struct {
	Time      time.Time       `json:"time"`
	Kind      agent.EventKind `json:"kind"`
	Plan      string          `json:"plan,omitempty"`
	Attempt   int             `json:"attempt,omitempty"`
	Component string          `json:"component,omitempty"`
	Step      string          `json:"step,omitempty"`
	Code      string          `json:"code,omitempty"`
	Detail    string          `json:"detail,omitempty"`
	TookMS    int64           `json:"took_ms,omitempty"`
}

// Config says where a log is kept.
type Config struct {
	Dir    string       // an existing directory
	Max    int64        // bytes of one file; 0 for DefaultMax
	Logger *slog.Logger // nil discards
}

// Log is an open event log. Its methods may be called from any goroutine.
type Log struct {
	config Config

	mu    sync.Mutex // guards the following
	file  *os.File   // nil while it cannot be opened
	size  int64
	quiet bool // that it cannot be written has been said
}

var _ agent.Recorder = (*Log)(nil)

// Open opens the log of a directory. It always gives one: a log that cannot be
// written must not keep an agent from running.
func Open(config Config) *Log {
	if config.Max == 0 {
		config.Max = DefaultMax
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{config: config}
	if err := l.open(); err != nil {
		l.complain(err)
	}
	return l
}

func (l *Log) path(name string) string { return filepath.Join(l.config.Dir, name) }

// clear removes what has the name of a file of the log and is none: a pipe would
// be waited for, and a directory never gives way.
func (l *Log) clear(name string) error {
	f, err := files.Open(l.path(name))
	switch {
	case err == nil:
		return f.Close()
	case !errors.Is(err, files.ErrNotFile):
		return nil // opening it for lines says why
	}
	l.config.Logger.Warn("what is in the place of the event log is no file, and is removed", "path", l.path(name))
	return os.RemoveAll(l.path(name))
}

// open opens the file for lines at its end. A line that a power cut has torn is
// ended, so that the next one begins on its own.
func (l *Log) open() error {
	if err := l.clear(Name); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path(Name), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	last := make([]byte, 1)
	if l.size > 0 {
		if _, err := f.ReadAt(last, l.size-1); err != nil || last[0] != '\n' {
			return l.write([]byte("\n"))
		}
	}
	return nil
}

// Record adds an event. It implements agent.Recorder.
func (l *Log) Record(e agent.Event) {
	e.Detail = ota.Clip(e.Detail, maxDetail)
	line, err := json.Marshal(Line{Time: e.Time.UTC().Truncate(time.Millisecond), Kind: e.Kind, Plan: e.Plan,
		Attempt:   e.Attempt,
		Component: e.Component, Step: e.Step, Code: e.Code, Detail: e.Detail, TookMS: e.Took.Milliseconds()})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.add(append(line, '\n'), lasting(e.Kind))
	}
	if err != nil {
		l.complain(err)
		return
	}
	l.quiet = false
}

// lasting reports whether an event must survive a power cut right after it.
func lasting(kind agent.EventKind) bool {
	switch kind {
	case agent.EventConnected, agent.EventDisconnected, agent.EventBegun:
		return false
	}
	return true
}

func (l *Log) add(line []byte, lasting bool) error {
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.size > 0 && l.size+int64(len(line)) > l.config.Max {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if err := l.write(line); err != nil {
		return err
	}
	if lasting {
		return l.file.Sync()
	}
	return nil
}

func (l *Log) write(line []byte) error {
	n, err := l.file.Write(line)
	l.size += int64(n)
	return err
}

// rotate makes the file the older one and begins another.
func (l *Log) rotate() error {
	file := l.file
	l.file = nil
	if err := errors.Join(file.Close(), l.clear(OldName), os.Rename(l.path(Name), l.path(OldName))); err != nil {
		return err
	}
	return l.open()
}

// complain says once that events are lost, until one is kept again.
func (l *Log) complain(err error) {
	if !l.quiet {
		l.config.Logger.Warn("cannot keep the event log; events are lost", "error", err)
	}
	l.quiet = true
}

// Read gives the lines that are kept, oldest first. Lines that cannot be read
// are left out: a power cut may have torn one.
func (l *Log) Read() ([]Line, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []Line
	for _, name := range []string{OldName, Name} {
		more, err := readLines(l.path(name), l.config.Max+maxLine)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, files.ErrNotFile) {
			return nil, fmt.Errorf("cannot read the event log: %w", err)
		}
		lines = append(lines, more...)
	}
	return lines, nil
}

// maxLine bounds a line that is read.
const maxLine = 16 << 10

func readLines(path string, most int64) (lines []Line, err error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decodeLines(io.LimitReader(f, most))
}

// decodeLines leaves out what is no line of the log, and what is longer than one.
func decodeLines(r io.Reader) (lines []Line, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	for long := false; ; {
		text, err := in.ReadSlice('\n')
		var line Line
		if !long && json.Unmarshal(text, &line) == nil && line.Kind != "" {
			lines = append(lines, line)
		}
		if long = errors.Is(err, bufio.ErrBufferFull); long {
			continue // the next piece is of the same line
		}
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}

// Close closes the file. Nothing is kept after it.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	return errors.Join(file.Sync(), file.Close())
}
