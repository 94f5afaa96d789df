package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Gathering finds the records of the shards of a run, which may still be written: of each
// of its places the record that it has, or else those directly below it.
type Gathering struct {
	places   []Place
	complete map[string]*Record // by place: they do not change any more
}

// Gather begins a gathering.
func Gather(places ...Place) *Gathering {
	return &Gathering{places: places, complete: map[string]*Record{}}
}

// maxBelow is how many places below another one are looked at.
const maxBelow = 10_000

// Look gives the records that are there now, and the places that have none.
func (g *Gathering) Look(ctx context.Context) (found []*Record, without []Place, err error) {
	for _, place := range g.places {
		records, err := g.lookAt(ctx, place)
		if err != nil {
			return nil, nil, err
		}
		if records == nil {
			without = append(without, place)
		}
		found = append(found, records...)
	}
	return found, without, nil
}

func (g *Gathering) lookAt(ctx context.Context, place Place) (found []*Record, err error) {
	r, err := g.open(ctx, place)
	if r != nil || err != nil {
		return []*Record{r}, err
	}
	names, err := place.Names(ctx)
	if err != nil {
		return nil, err
	}
	if len(names) > maxBelow {
		return nil, fmt.Errorf("%s has more than %d names: that is not the place of a run", place, maxBelow)
	}
	for _, name := range names {
		name, is := strings.CutSuffix(name, "/")
		if !is {
			continue
		}
		if r, err = g.open(ctx, place.Below(name)); err != nil {
			return nil, err
		}
		if r != nil {
			found = append(found, r)
		}
	}
	return found, nil
}

// open opens the record in a place; nil if it has none.
func (g *Gathering) open(ctx context.Context, place Place) (*Record, error) {
	if r := g.complete[place.String()]; r != nil {
		return r, nil
	}
	r, err := Open(ctx, place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && r.Complete() {
		g.complete[place.String()] = r
	}
	return r, err
}

// Ended counts the shards of a run, of so many, that have ended, so that nothing of them
// is waited for, and those that have begun. A shard in virtual time that broke off may be
// tried again; a real one that had begun has ended, whatever its end was. The error says
// why the records are not those of one run, or not of so many shards.
func Ended(records []*Record, shards int) (ended, begun int, err error) {
	if len(records) == 0 {
		return 0, 0, nil
	}
	if err := checkRun(records); err != nil {
		return 0, 0, err
	}
	if of := records[0].Info.Shards; of != shards {
		return 0, 0, fmt.Errorf("cannot merge: %s is a shard of %d, and %d are waited for", records[0].Dir, of, shards)
	}
	hasEnded := map[int]bool{}
	for _, r := range records {
		over := r.End != nil || r.document.Incomplete != ""
		stays := r.lost || over && r.Info.World == "real" && !r.Info.Waiting
		hasEnded[r.Info.Shard] = hasEnded[r.Info.Shard] || r.Complete() || stays
	}
	for _, is := range hasEnded {
		if is {
			ended++
		}
	}
	return ended, len(hasEnded), nil
}
