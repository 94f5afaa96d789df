package statefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"

	"otafleet/internal/files"
)

// DefaultReserve is the size of each of the two files at their creation, in
// bytes: room for a current plan, the plans before it and some hundred reports.
const DefaultReserve = 128 << 10

// Config says where a state is kept.
type Config struct {
	Dir     string       // the state directory; made if it is missing
	Reserve int64        // bytes of each file at its creation; 0 for DefaultReserve
	Disk    Disk         // nil for the file system at Dir, which is then locked
	Logger  *slog.Logger // nil discards
}

// Validate says everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var problems []error
	if c.Dir == "" && c.Disk == nil {
		problems = append(problems, errors.New("no state directory is configured"))
	}
	if c.Reserve < 0 || c.Reserve > MaxState {
		problems = append(problems, fmt.Errorf("reserve of %d bytes is not in 0..%d", c.Reserve, MaxState))
	}
	return errors.Join(problems...)
}

// Store is the kept state of one device. Its methods may be called from any
// goroutine.
type Store struct {
	disk Disk
	lock io.Closer // nil on a Disk of the caller's
	log  *slog.Logger

	mu      sync.Mutex
	files   [2]File
	loaded  bool   // latest and counter are known
	latest  int    // index of the file with the current state
	counter uint64 // of the current state; 1 is the record of a new directory
	failure error  // of the last Save, or why there can be none yet
	unready bool   // the files could only be read: each Save first prepares them
	reserve int64
	usable  func([]byte) error // of Load
	worn    error              // what was wrong with a file at Load
}

// Open locks the state directory and prepares the two files. Another process on
// the same directory gives a *Busy.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{disk: cfg.Disk, log: cfg.Logger, usable: func([]byte) error { return nil }}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	err := s.open(&cfg)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: the state directory and what is in it must belong to the agent's user", err)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) open(cfg *Config) error {
	if s.disk == nil {
		d, err := openDirectory(cfg.Dir)
		if err != nil {
			return err
		}
		lock, err := d.lock()
		if err != nil {
			return errors.Join(err, d.root.Close())
		}
		s.disk, s.lock = d, closers{lock, d.root}
	}
	if s.reserve = cfg.Reserve; s.reserve == 0 {
		s.reserve = DefaultReserve
	}
	err := s.prepare(s.reserve)
	if Passes(err) && s.readOnly() == nil {
		s.unready, s.failure = true, err
		return nil
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, one := range c {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// prepare makes what is missing and opens both files.
func (s *Store) prepare(reserve int64) error {
	if err := s.sweep(); err != nil {
		return err
	}
	if err := s.create(reserve); err != nil {
		return fmt.Errorf("cannot create the state: %w", err)
	}
	for i := range s.files {
		f, err := s.disk.Open(fileName(i))
		if errors.Is(err, files.ErrNotFile) {
			f, err = s.renew(fileName(i), reserve)
		}
		if err != nil {
			return fmt.Errorf("cannot open the state: %w", err)
		}
		s.files[i] = f
		// Without its reserve the store works, but a disk that fills up later
		// can stop it.
		if err := fill(f, reserve); err != nil {
			s.log.Warn("cannot reserve space for the state: a full disk may stop the agent", "file", fileName(i), "error", err)
		}
	}
	return nil
}

// create makes the missing files, each whole or not at all. In a new directory
// the first one starts with the record of a device that has saved nothing. So
// there is a record that verifies from the first moment on, and where there is
// none, one has been lost: a torn first save and a damaged state are never
// mistaken for each other.
func (s *Store) create(reserve int64) error {
	names, err := s.disk.Names()
	if err != nil {
		return err
	}
	content := make([]byte, max(reserve, int64(frameSize)))
	if !slices.Contains(names, fileName(0)) && !slices.Contains(names, fileName(1)) {
		copy(content, record{counter: 1}.encode())
	}
	for i := range s.files {
		if slices.Contains(names, fileName(i)) {
			continue
		}
		if err := s.replace(fileName(i), content); err != nil {
			return err
		}
		clear(content)
	}
	return nil
}

// renew makes a state file anew in whose place something else is. That is put
// aside, for whoever looks into it.
func (s *Store) renew(name string, reserve int64) (File, error) {
	kept, err := s.freeName(name + ".corrupt-")
	if err == nil {
		err = s.disk.Rename(name, kept)
	} else {
		err = s.disk.Remove(name)
	}
	if err != nil {
		return nil, err
	}
	s.log.Warn("something else was in the place of a saved state; it is put aside", "file", name, "kept", kept)
	if err := s.replace(name, make([]byte, max(reserve, int64(frameSize)))); err != nil {
		return nil, err
	}
	return s.disk.Open(name)
}

func fileName(i int) string { return fmt.Sprintf("state.%d", i) }

// fill brings a file that was made with a smaller reserve to its size.
func fill(f File, reserve int64) error {
	size, err := f.Size()
	if err != nil || size >= reserve {
		return err
	}
	if _, err := f.WriteAt(make([]byte, reserve-size), size); err != nil {
		return err
	}
	return f.Sync()
}

// Save replaces the kept state. It returns after the state would survive a power
// cut. After an error the state before it is still whole.
func (s *Store) Save(payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.unready:
	case s.files[1] == nil:
		return fmt.Errorf("cannot save the state: %w", os.ErrClosed)
	case !s.loaded: // which file holds the latest state is not known
		return errors.New("cannot save the state before it has been loaded")
	}
	if s.failure = s.mend(); s.failure == nil {
		s.failure = s.write(payload)
	}
	return s.failure
}

func (s *Store) write(payload []byte) error {
	if len(payload) > MaxState {
		return fmt.Errorf("cannot save the state: %d bytes, at most %d are kept", len(payload), MaxState)
	}
	next := record{counter: s.counter + 1, payload: payload}
	older := 1 - s.latest
	if _, err := s.files[older].WriteAt(next.encode(), 0); err != nil {
		return fmt.Errorf("cannot save the state: %w", err)
	}
	if err := s.files[older].Sync(); err != nil {
		return fmt.Errorf("cannot save the state: %w", err)
	}
	s.latest, s.counter = older, next.counter
	return nil
}

// Health is the condition of the state file, for people.
type Health struct {
	Saves   uint64 // since the state directory was new
	Failure error  // of the last Save, or why there can be none yet; nil when it succeeded
	Worn    error  // a file that did not verify at the start; nil when both did
}

// Health returns the condition of the state file.
func (s *Store) Health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Health{Saves: max(s.counter, 1) - 1, Failure: s.failure, Worn: s.worn}
}

// Close lets go of the files and of the directory.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for i, f := range s.files {
		if f != nil {
			errs = append(errs, f.Close())
			s.files[i] = nil
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}
