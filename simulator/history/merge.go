package history

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"otafleet/simulator/verdict"
)

// ErrShardLost says that a shard of a run is missing, or did not come to its end.
// The error around it names the shard.
var ErrShardLost = errors.New("a shard is lost")

// Merge makes one verdict of the records of all shards of a run. They may come in
// any order. Of a shard that was tried several times, the complete record counts.
func Merge(ctx context.Context, records []*Record) (*verdict.Verdict, error) {
	if err := checkRun(records); err != nil {
		return nil, err
	}
	shards, err := shardsOf(records)
	if err != nil {
		return nil, err
	}
	if err := checkComplete(shards); err != nil {
		return nil, err
	}
	return judge(ctx, shards)
}

// checkRun makes sure that the records are shards of one run.
func checkRun(records []*Record) error {
	if len(records) == 0 {
		return errors.New("cannot merge: no record is given")
	}
	for _, r := range records {
		if r.Info.Shards == 0 || len(r.Info.Only) > 0 {
			return fmt.Errorf("cannot merge %s: it is not a shard of a run; ota-sim report judges it alone", r.Dir)
		}
		if err := sameRun(records[0], r); err != nil {
			return fmt.Errorf("cannot merge: %w", err)
		}
	}
	return nil
}

// shardsOf gives one record of each shard, in the order of the shards: of several
// tries the complete one. Two complete ones are not two tries.
func shardsOf(records []*Record) (shards []*Record, err error) {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b *Record) int { return cmp.Compare(a.Info.Shard, b.Info.Shard) })
	for _, r := range records {
		last := len(shards) - 1
		switch {
		case last < 0 || shards[last].Info.Shard != r.Info.Shard:
			shards = append(shards, r)
		case !r.Complete():
		case shards[last].Complete():
			return nil, fmt.Errorf("cannot merge: %s and %s are both shard %d/%d", shards[last].Dir, r.Dir, r.Info.Shard,
				r.Info.Shards)
		default:
			shards[last] = r
		}
	}
	return shards, nil
}

// sameRun says why two records are not of one run.
func sameRun(a, b *Record) error {
	differ := func(what string, x, y any) error {
		return fmt.Errorf("%s has %s %v and %s has %v, so they are not of one run", a.Dir, what, x, b.Dir, y)
	}
	switch {
	case a.Info.Shards != b.Info.Shards:
		return differ("a number of shards of", a.Info.Shards, b.Info.Shards)
	case a.Info.Seed != b.Info.Seed:
		return differ("the seed", a.Info.Seed, b.Info.Seed)
	case a.Info.World != b.Info.World:
		return differ("the world", a.Info.World, b.Info.World)
	case !bytes.Equal(a.Info.Text, b.Info.Text):
		return fmt.Errorf("the scenarios in %s and %s are not the same", a.Dir, b.Dir)
	case !bytes.Equal(a.Info.Devices, b.Info.Devices):
		return fmt.Errorf("the device files in %s and %s are not the same", a.Dir, b.Dir)
	case a.Info.Prefix != b.Info.Prefix:
		return differ("the key prefix", a.Info.Prefix, b.Info.Prefix)
	case a.Info.Program != b.Info.Program: // its rules may have changed in between
		return differ("the program", a.Info.Program, b.Info.Program)
	}
	return nil
}

// LostShards are the shards of a run that are not among the records, or did not come
// to their end, in their order. The records are of one run; at least one is needed.
func LostShards(records []*Record) (lost []int) {
	ended := map[int]bool{}
	for _, r := range records {
		if r.Complete() {
			ended[r.Info.Shard] = true
		}
	}
	for i := 1; i <= records[0].Info.Shards; i++ {
		if !ended[i] {
			lost = append(lost, i)
		}
	}
	return lost
}

// keptLost is how many lost shards an error names.
const keptLost = 10

// checkComplete names every shard that is missing or did not come to its end.
func checkComplete(records []*Record) error {
	given := map[int]*Record{}
	for _, r := range records {
		given[r.Info.Shard] = r
	}
	lost := LostShards(records)
	if lost == nil {
		return nil
	}
	of := records[0].Info.Shards
	var words []string
	for _, i := range lost[:min(len(lost), keptLost)] {
		if r := given[i]; r == nil {
			words = append(words, fmt.Sprintf("shard %d/%d is not among the given directories", i, of))
		} else {
			words = append(words, fmt.Sprintf("shard %d/%d in %s %s", i, of, r.Dir, r.Lack()))
		}
	}
	if more := len(lost) - keptLost; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%w: %s", ErrShardLost, strings.Join(words, "; "))
}
