package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// tryName is where the n-th try of a shard is recorded: below the place of the first one,
// so that whoever gives that to Open need not know of tries.
func tryName(n int) string { return fmt.Sprint("try-", n) }

// ErrComplete says that a shard need not be tried again.
var ErrComplete = errors.New("it has the complete record of this shard")

// ErrBroken says that a shard in the real world broke off after it had begun: its devices
// have been at their platform, which knows how far they came.
var ErrBroken = errors.New("what its devices had done when it broke off cannot be undone")

// NextTry is a place in which a shard can be tried again. Its record in the given one must
// be of the same shard of the same run; the error is one of ErrComplete if it is complete,
// and one of ErrBroken if another try would not be the same: then the place says so to
// whoever waits for the shard.
func NextTry(ctx context.Context, place Place, info *Info) (Place, error) {
	before, err := Open(ctx, place)
	if err != nil {
		return nil, err
	}
	if err := sameTry(before, &Record{Dir: "this run", Info: *info}); err != nil {
		return nil, err
	}
	if before.Complete() {
		return nil, fmt.Errorf("%s: %w", before.Dir, ErrComplete)
	}
	if info.World == "real" && !before.Info.Waiting {
		said := place.Write(ctx, lostFile, []byte("This shard broke off, and was not tried again.\n"))
		return nil, errors.Join(fmt.Errorf("%s: %w", before.Dir, ErrBroken), said)
	}
	names, err := place.Names(ctx)
	if err != nil {
		return nil, err
	}
	n := 2
	for slices.Contains(names, tryName(n)+"/") {
		n++
	}
	return place.Below(tryName(n)), nil
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
func latest(ctx context.Context, first *Record) (*Record, error) {
	if first.Complete() {
		return first, nil
	}
	names, err := first.place.Names(ctx)
	if err != nil {
		return nil, err
	}
	r := first
	r.lost = slices.Contains(names, lostFile)
	for n := 2; !r.Complete() && slices.Contains(names, tryName(n)+"/"); n++ {
		next, err := open(ctx, first.place.Below(tryName(n)))
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
