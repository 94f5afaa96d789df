// Package store keeps a platform's state in a file, so that a rollout goes on
// where it was when the platform is killed and started again.
//
// One flow through it: Open takes the file for this process alone; Each reads what
// an earlier process has kept, record by record; Commit writes a set of records,
// and returns when all of them are on the disk, or leaves everything as it was.
//
// It does not know what records mean (package engine does), keeps no history, and
// never shares its file: a second process is refused.
package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"otafleet/internal/files"
	"otafleet/simulator/platform/engine"
)

// lockWait is how long another process may hold the file: one that was killed has
// let go of it at once.
const lockWait = 2 * time.Second

// bucket holds all records. Its name changes if their keys ever do.
const bucket = "records-1"

// ErrUsed is why a file cannot be opened that another process has open.
var ErrUsed = errors.New("another platform uses it")

// Store is an open file. Its methods may be called from any goroutine.
type Store struct{ db *bbolt.DB }

// ErrDamaged is why a file cannot be used that is none of this package's, or not
// any longer.
var ErrDamaged = errors.New("it is damaged")

// Open opens the file at a path, and makes it if there is none. Only its owner
// may read it. The error is ErrUsed if another process has it open, and
// ErrDamaged if it is no such file.
func Open(path string) (*Store, error) {
	if err := mayBe(path); err != nil {
		return nil, fmt.Errorf("cannot open the state %s: %w", path, err)
	}
	var db *bbolt.DB
	err := guarded(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
		return err
	})
	var system syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		err = ErrUsed
	case err != nil && !errors.As(err, &system) && !errors.Is(err, ErrDamaged):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the state %s: %w", path, err)
	}
	s := &Store{db}
	if err = s.whole(); err == nil {
		err = s.update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists([]byte(bucket))
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the state %s: %w", path, err), db.Close())
	}
	return s, nil
}

// whole reports a file that ends before its pages do.
func (s *Store) whole() error {
	return guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			info, err := os.Stat(s.db.Path())
			if err == nil && info.Size() < tx.Size() {
				err = fmt.Errorf("%w: it has %d of %d bytes", ErrDamaged, info.Size(), tx.Size())
			}
			return err
		})
	})
}

// mayBe reports what else than a file is at a path.
func mayBe(path string) error {
	f, err := files.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, files.ErrNotFile):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return err
	}
	return f.Close()
}

// guarded does what follows the file's own words. Those of a damaged one lead
// astray, or beyond its end, where a mapped file cannot be read.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return do()
}

func (s *Store) update(do func(*bbolt.Tx) error) error {
	return guarded(func() error { return s.db.Update(do) })
}

// Each calls f with every record whose key begins with prefix, in the order of
// their keys, and ends with f's error if it has one. The value is f's only until
// it returns.
func (s *Store) Each(prefix string, f func(engine.Record) error) error {
	return guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket([]byte(bucket)).Cursor()
			for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
				if err := f(engine.Record{Key: string(k), Value: v}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Commit writes records in their order. It returns when they are on the disk; if
// it fails, none of them is.
func (s *Store) Commit(records []engine.Record) error {
	if len(records) == 0 {
		return nil
	}
	err := s.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		for _, r := range records {
			err := error(nil)
			if r.Value == nil {
				err = b.Delete([]byte(r.Key))
			} else {
				err = b.Put([]byte(r.Key), r.Value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot keep the platform's state: %w", err)
	}
	return nil
}

// Close lets go of the file.
func (s *Store) Close() error { return s.db.Close() }
