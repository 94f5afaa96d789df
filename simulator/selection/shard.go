package selection

import (
	"fmt"
	"strconv"
	"strings"

	"otafleet/simulator/scenario"
)

// Shard is one of the parts into which several processes divide a run. The zero
// value is the whole run.
type Shard struct {
	Index int // 1 to Of
	Of    int // how many parts there are; 0 means the run is not divided
}

// ParseShard reads the form i/N: 2/4. 0/N is N/N, for what numbers its tasks from 0,
// as Kubernetes does.
func ParseShard(text string) (Shard, error) {
	index, of, _ := strings.Cut(text, "/")
	i, err := strconv.Atoi(index)
	n, errOf := strconv.Atoi(of)
	if err != nil || errOf != nil {
		return Shard{}, fmt.Errorf("%q is not a shard; want i/N, such as 1/4 to 4/4 for four processes", text)
	}
	s := Shard{i, n}
	if s.Whole() {
		return Shard{}, fmt.Errorf("%q is not a shard; want i/N with an i from 1 to N", text)
	}
	if i == 0 {
		s.Index = n
	}
	return s, s.Validate()
}

// Validate says what is wrong with the shard; nil if it is one, or the whole run.
func (s Shard) Validate() error {
	switch {
	case s.Whole():
		return nil
	case s.Of < 1 || s.Of > scenario.MaxDevices:
		return fmt.Errorf("shard %s: want 1 to %d shards", s, scenario.MaxDevices)
	case s.Index < 1 || s.Index > s.Of:
		return fmt.Errorf("shard %s: there are only the shards 1/%d to %d/%d", s, s.Of, s.Of, s.Of)
	}
	return nil
}

// Whole reports whether it is the whole run.
func (s Shard) Whole() bool { return s == Shard{} }

// String gives the form i/N; empty for the whole run.
func (s Shard) String() string {
	if s.Whole() {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Of)
}

// has reports whether the shard has the device of an ordinal, from 0 over all
// fleets. Neighbours are in different shards, so that every shard has its part
// of every fleet.
func (s Shard) has(ordinal int) bool { return ordinal%s.Of == s.Index-1 }
