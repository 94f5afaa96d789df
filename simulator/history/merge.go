package history

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"otafleet/simulator/verdict"
)

// ErrShardLost says that a shard of a run is missing, or did not come to its end.
// The error around it names the shard.
var ErrShardLost = errors.New("a shard is lost")

// Merge makes one verdict of the records of all shards of a run. They may come in
// any order.
func Merge(ctx context.Context, records []*Record) (*verdict.Verdict, error) {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b *Record) int { return cmp.Compare(a.Info.Shard, b.Info.Shard) })
	if err := checkShards(records); err != nil {
		return nil, err
	}
	all, err := figuresOf(ctx, records)
	if err != nil {
		return nil, err
	}
	sum := all[0]
	for _, f := range all[1:] {
		sum.Merge(f)
	}
	devices := looked(sum)
	for _, r := range records {
		if err := r.addLogs(ctx, devices); err != nil {
			return nil, err
		}
	}
	v := records[0].verdict(sum)
	interrupted := false
	for _, r := range records {
		addResources(&v.Resources, &r.End.Resources)
		interrupted = interrupted || r.End.Interrupted
		for _, order := range r.End.Refused { // in virtual time every shard is refused the same
			if !slices.Contains(v.Figures.Refused, order) {
				v.Figures.Refused = append(v.Figures.Refused, order)
			}
		}
	}
	if interrupted {
		v.Interrupt()
	}
	return v, nil
}

// figuresOf sums up each record, as many at once as there are processors.
func figuresOf(ctx context.Context, records []*Record) ([]*verdict.Figures, error) {
	all, failures := make([]*verdict.Figures, len(records)), make([]error, len(records))
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var judging sync.WaitGroup
	for i, r := range records {
		free <- struct{}{}
		judging.Go(func() {
			all[i], failures[i] = r.figures(ctx)
			<-free
		})
	}
	judging.Wait()
	return all, errors.Join(failures...)
}

// looked are the devices that the figures tell of, by their names.
func looked(f *verdict.Figures) map[string]*verdict.DeviceRecord {
	devices := map[string]*verdict.DeviceRecord{}
	for _, r := range slices.Concat(f.Slowest(), f.Failed()) {
		devices[r.Device] = r
	}
	return devices
}

// addResources adds what a process took to what those took that ran beside it.
func addResources(to, r *verdict.Resources) {
	to.PeakMemory += r.PeakMemory
	to.Sockets += r.Sockets
	to.CPU += r.CPU
	to.Processes += max(1, r.Processes)
	to.Wall = max(to.Wall, r.Wall)
	to.CPUs = max(to.CPUs, r.CPUs)
	to.System = cmp.Or(to.System, r.System)
}

// checkShards makes sure that the records, in the order of their shards, are one
// run, and all of it.
func checkShards(records []*Record) error {
	if len(records) == 0 {
		return errors.New("cannot merge: no record is given")
	}
	first := records[0]
	for _, r := range records {
		if r.Info.Shards == 0 || len(r.Info.Only) > 0 {
			return fmt.Errorf("cannot merge %s: it is not a shard of a run; ota-sim report judges it alone", r.Dir)
		}
		if err := sameRun(first, r); err != nil {
			return err
		}
	}
	for i := 1; i < len(records); i++ {
		if a, b := records[i-1], records[i]; a.Info.Shard == b.Info.Shard {
			return fmt.Errorf("cannot merge: %s and %s are both shard %d/%d", a.Dir, b.Dir, a.Info.Shard, a.Info.Shards)
		}
	}
	return checkComplete(records)
}

func sameRun(a, b *Record) error {
	differ := func(what string, x, y any) error {
		return fmt.Errorf("cannot merge: %s has %s %v and %s has %v, so they are not of one run", a.Dir, what, x, b.Dir, y)
	}
	switch {
	case a.Info.Shards != b.Info.Shards:
		return differ("a number of shards of", a.Info.Shards, b.Info.Shards)
	case a.Info.Seed != b.Info.Seed:
		return differ("the seed", a.Info.Seed, b.Info.Seed)
	case a.Info.World != b.Info.World:
		return differ("the world", a.Info.World, b.Info.World)
	case !bytes.Equal(a.Info.Text, b.Info.Text):
		return fmt.Errorf("cannot merge: the scenarios in %s and %s are not the same", a.Dir, b.Dir)
	}
	return nil
}

// LostShards are the shards of a run that are not among the records, or did not come
// to their end, in their order. The records are of one run; at least one is needed.
func LostShards(records []*Record) (lost []int) {
	ended := map[int]bool{}
	for _, r := range records {
		ended[r.Info.Shard] = r.End != nil
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

// checkComplete names every shard that is missing or has no end.
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
		switch r := given[i]; {
		case r == nil:
			words = append(words, fmt.Sprintf("shard %d/%d is not among the given directories", i, of))
		case r.document.Incomplete != "":
			words = append(words, fmt.Sprintf("shard %d/%d in %s is incomplete: %s", i, of, r.Dir, r.document.Incomplete))
		default:
			words = append(words, fmt.Sprintf("shard %d/%d in %s has no end: its program was killed", i, of, r.Dir))
		}
	}
	if more := len(lost) - keptLost; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%w: %s", ErrShardLost, strings.Join(words, "; "))
}
