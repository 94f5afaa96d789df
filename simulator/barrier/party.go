package barrier

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxShards is how many processes can meet.
const MaxShards = 1000

// ErrMissing says that the run does not begin, or has begun without this process, since
// some were not there in time. The error around it names them.
var ErrMissing = errors.New("the shards did not come together")

// ErrRefused says that this process is none of the run that the others are of.
var ErrRefused = errors.New("refused")

// Party is a process of a run, and what it knows of itself.
type Party struct {
	Shard, Shards int           // 1 to Shards, which is at most MaxShards
	Facts         []Fact        // that must be the same for all: at most 16
	Within        time.Duration // how long it waits for the others; more than 0
	// Log says what a person should know, such as that a shard was refused. It may
	// contain what came from the network.
	Log func(text string)
	Now func() time.Time // nil means time.Now; its monotonic reading counts
}

// Fact is something that all shards of a run have in common: the seed, 7.
type Fact struct {
	Name  string `json:"name"`  // at most 64 bytes
	Value string `json:"value"` // at most 256 bytes
}

// Start is the moment at which the run begins.
type Start struct {
	At     time.Time     // by this process's clocks
	Offset time.Duration // by which this process's wall clock is ahead of shard 1's
	Within time.Duration // the most that Offset is wrong by, and At
}

func (p *Party) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

// Validate says what is wrong with the party; nil if nothing is.
func (p *Party) Validate() error {
	switch {
	case p.Shards < 1 || p.Shards > MaxShards:
		return fmt.Errorf("%d shards cannot begin together: want 1 to %d", p.Shards, MaxShards)
	case p.Shard < 1 || p.Shard > p.Shards:
		return fmt.Errorf("there is no shard %d/%d", p.Shard, p.Shards)
	case p.Within <= 0:
		return errors.New("a barrier without patience lets none through")
	}
	return checkFacts(p.Facts)
}

// differs says in what two shards are not of one run; empty if they are.
func differs(a, b *hello) string {
	if a.Shards != b.Shards {
		return fmt.Sprintf("shard %s is of %d shards, and shard %s of %d", a, a.Shards, b, b.Shards)
	}
	theirs := map[string]string{}
	for _, fact := range b.Facts {
		theirs[fact.Name] = fact.Value
	}
	for _, fact := range a.Facts {
		if value, has := theirs[fact.Name]; !has || value != fact.Value {
			return fmt.Sprintf("shard %s has the %s %s, and shard %s has %s", a, fact.Name, fact.Value, b, value)
		}
	}
	if len(a.Facts) != len(b.Facts) {
		return fmt.Sprintf("shard %s says %d things of its run, and shard %s says %d", a, len(a.Facts), b, len(b.Facts))
	}
	return ""
}

// mostNamed is how many shards a text names.
const mostNamed = 10

// names lists shards: shards 3/4, 4/4.
func names(shards []int, more, of int) string {
	var b strings.Builder
	b.WriteString("shard")
	if len(shards)+more > 1 {
		b.WriteString("s")
	}
	for i, shard := range shards {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %d/%d", shard, of)
	}
	if more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// missing is the error for shards that did not come.
func missing(shards []int, more int, p *Party, within string) error {
	return fmt.Errorf("%w: %s not ready %s", ErrMissing, names(shards, more, p.Shards), within)
}
