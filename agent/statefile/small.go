package statefile

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// partSuffix ends the name of a file that is not whole yet.
const partSuffix = ".part"

// Keep makes the content of a small file durable, in the place of what it held. At a
// power cut the file is whole, or as it was before.
func (s *Store) Keep(name string, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replace(name, content)
}

// Kept returns the content of a small file; fs.ErrNotExist if there is none. One that
// is longer than limit is an error.
func (s *Store) Kept(name string, limit int) (content []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.disk.Read(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > int64(limit) {
		return nil, fmt.Errorf("%d bytes, at most %d", size, limit)
	}
	return readAll(f, limit)
}

// Drop removes a small file, if it is there.
func (s *Store) Drop(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.disk.Remove(name)
	if err == nil {
		err = s.disk.Sync()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// replace writes a whole file or, at a cut, none: under another name first, then
// renamed.
func (s *Store) replace(name string, content []byte) error {
	part := name + partSuffix
	if err := s.disk.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.writePart(part, content); err != nil {
		return errors.Join(err, s.disk.Remove(part))
	}
	if err := s.disk.Rename(part, name); err != nil {
		return errors.Join(err, s.disk.Remove(part))
	}
	return s.disk.Sync()
}

func (s *Store) writePart(part string, content []byte) error {
	f, err := s.disk.Open(part)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// sweep removes what a cut in the middle of replace has left.
func (s *Store) sweep() error {
	names, err := s.disk.Names()
	if err != nil {
		return fmt.Errorf("cannot list the state directory: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, partSuffix) {
			if err := s.disk.Remove(name); err != nil {
				return fmt.Errorf("cannot remove an unfinished file: %w", err)
			}
		}
	}
	return nil
}
