package statefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// maxKept bounds the damaged files that are kept aside. The first ones tell
// most, so later ones are not kept.
const maxKept = 4

// Damaged says that neither file gives a state although one was saved. The
// store works all the same and holds no state: a device that refused to start
// could not be repaired over the air any more, whereas one that starts anew
// reports its inventory, and the platform decides what to do with it. It must be
// said loudly, since an upgrade may have been forgotten half done.
type Damaged struct {
	Causes []error  // what is wrong with each file
	Kept   []string // names of copies of them in the state directory
	Losses []error  // why a copy could not be kept
}

// Error says what was found and what to do about it.
func (d *Damaged) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the saved state is damaged (%s); the device starts without it and reports its inventory",
		joined(d.Causes))
	if len(d.Kept) > 0 {
		fmt.Fprintf(&b, "; copies are kept as %s: check the storage for faults, then remove them", strings.Join(d.Kept, ", "))
	}
	if len(d.Losses) > 0 {
		fmt.Fprintf(&b, "; not kept: %s", joined(d.Losses))
	}
	return b.String()
}

func joined(errs []error) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, ", ")
}

// generation is what Load finds in one file: a record, or what is wrong.
type generation struct {
	record // verified, also where its state cannot be used
	err    error
}

// Load returns the newest state for which usable returns no error: nil without an
// error on a device that never saved one, nil with a *Damaged if there was one that
// cannot be read, and another error if the storage does not give it at the moment.
// It comes before the first Save.
func (s *Store) Load(usable func(state []byte) error) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usable = usable
	if s.files[1] == nil && !s.unready {
		return nil, fmt.Errorf("cannot load the state: %w", fs.ErrClosed)
	}
	found, err := s.locate()
	if err != nil {
		return nil, err
	}
	for i := range found {
		// One is blank until the first save, which the other one tells.
		if err := found[i].err; err != nil && (!errors.Is(err, errBlank) || found[1-i].counter > 1) {
			s.worn = fmt.Errorf("%s: %w", fileName(i), err)
		}
	}
	if found[s.latest].err != nil {
		return nil, s.keepAside(found)
	}
	if s.worn != nil {
		s.log.Warn(
			"one of the two saved states cannot be read, most likely cut off while it was written; the other one is used",
			"error", s.worn)
	}
	return found[s.latest].payload, nil
}

// locate reads both files and finds the latest state. An error is one that may pass.
func (s *Store) locate() (found [2]generation, err error) {
	for i, f := range s.files {
		if found[i].err = errBlank; f != nil { // of a disk that takes nothing, one may be missing
			found[i] = s.readGeneration(f)
		}
	}
	// A record whose state cannot be used verifies. Its counter counts all the same:
	// an agent that can use it, come back, must not take it for the latest.
	s.counter = max(found[0].counter, found[1].counter)
	s.loaded, s.latest = true, 0
	if found[0].err != nil || (found[1].err == nil && found[1].counter > found[0].counter) {
		s.latest = 1
	}
	if found[s.latest].err != nil {
		err = passing(found)
		s.loaded = err == nil
	}
	return found, err
}

func (s *Store) readGeneration(f File) generation {
	r, err := readRecord(f)
	switch {
	case err != nil:
		return generation{err: err}
	case len(r.payload) == 0: // of a new directory
		return generation{record: r}
	}
	return generation{record: r, err: s.usable(r.payload)}
}

// unreadable is an error of the storage, which may pass: what stands in the file
// is not known.
type unreadable struct{ err error }

func (u *unreadable) Error() string { return "cannot be read: " + u.err.Error() }

func (u *unreadable) Unwrap() error { return u.err }

// readTries is how often a file is read before its error is believed.
const readTries = 3

func readRecord(f File) (record, error) {
	var content []byte
	var err error
	for range readTries {
		if content, err = readAll(f, MaxState+frameSize); err == nil {
			return parseRecord(content)
		}
	}
	return record{}, &unreadable{err}
}

// readAll reads a file, or the first limit bytes of a larger one.
func readAll(f File, limit int) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	content := make([]byte, min(size, int64(limit)))
	n, err := f.ReadAt(content, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return content[:n], nil
}

// passing is the error of a start on files that the storage does not give: it may
// give them at the next one, and a device that began without its state would
// forget which releases have run, and what it is in the middle of.
func passing(found [2]generation) error {
	for i, g := range found {
		var u *unreadable
		if errors.As(g.err, &u) {
			return fmt.Errorf("cannot load the state: %s: %w; check the storage", fileName(i), u)
		}
	}
	return nil
}

// SetAside copies the state that was loaded, for technicians, and returns the name
// of the copy in the state directory.
func (s *Store) SetAside() (name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copyAside(s.latest)
}

// keepAside copies the damaged files for whoever looks into it. The files
// themselves stay in use: they hold the space that a full disk would not give
// again.
func (s *Store) keepAside(found [2]generation) *Damaged {
	damaged := &Damaged{}
	for i, g := range found {
		damaged.Causes = append(damaged.Causes, fmt.Errorf("%s: %w", fileName(i), g.err))
		if errors.Is(g.err, errBlank) {
			continue
		}
		kept, err := s.copyAside(i)
		if err != nil {
			damaged.Losses = append(damaged.Losses, fmt.Errorf("%s: %w", fileName(i), err))
			continue
		}
		damaged.Kept = append(damaged.Kept, kept)
	}
	return damaged
}

func (s *Store) copyAside(i int) (string, error) {
	name, err := s.freeName(fileName(i) + ".corrupt-")
	if err != nil {
		return "", err
	}
	content, err := readAll(s.files[i], MaxState+frameSize)
	if err != nil {
		return "", err
	}
	return name, s.replace(name, content)
}

func (s *Store) freeName(prefix string) (string, error) {
	names, err := s.disk.Names()
	if err != nil {
		return "", err
	}
	for n := 1; n <= maxKept; n++ {
		if name := fmt.Sprintf("%s%d", prefix, n); !slices.Contains(names, name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%d copies are kept already", maxKept)
}
