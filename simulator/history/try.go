package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// tryDir is where the n-th try of a shard is recorded whose first one has dir: below
// it, so that whoever gives dir to Open need not know of tries.
func tryDir(dir string, n int) string { return filepath.Join(dir, fmt.Sprint("try-", n)) }

// ErrComplete says that a shard need not be tried again.
var ErrComplete = errors.New("it has the complete record of this shard")

// NextTry is a directory in which a shard can be tried again. Its record in dir must be
// of the same shard of the same run; the error is one of ErrComplete if it is complete.
func NextTry(dir string, info *Info) (string, error) {
	before, err := Open(dir)
	if err != nil {
		return "", err
	}
	if err := sameTry(before, &Record{Dir: "this run", Info: *info}); err != nil {
		return "", err
	}
	if before.Complete() {
		return "", fmt.Errorf("%s: %w", before.Dir, ErrComplete)
	}
	for n := 2; ; n++ {
		_, err := os.Lstat(tryDir(dir, n))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return tryDir(dir, n), nil
		case err != nil:
			return "", err
		}
	}
}

// sameTry says why two records are not of one shard of one run.
func sameTry(a, b *Record) error {
	switch {
	case a.Info.Shard != b.Info.Shard:
		return fmt.Errorf("%s has shard %d, and %s is %d", a.Dir, a.Info.Shard, b.Dir, b.Info.Shard)
	case !slices.Equal(a.Info.Only, b.Info.Only), !slices.Equal(a.Info.Flags, b.Info.Flags):
		return fmt.Errorf("%s has a run with other flags than %s", a.Dir, b.Dir)
	}
	return sameRun(a, b)
}

// latest is the record of a shard that counts, of all its tries: the complete one, or
// if none is the last.
func latest(first *Record) (*Record, error) {
	r := first
	for n := 2; !r.Complete(); n++ {
		dir := tryDir(first.Dir, n)
		if _, err := os.Lstat(dir); err != nil {
			break
		}
		next, err := open(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it ended before it had begun
		case err != nil:
			return nil, err
		default:
			if err := sameTry(first, next); err != nil {
				return nil, err
			}
			r = next
		}
	}
	return r, nil
}
