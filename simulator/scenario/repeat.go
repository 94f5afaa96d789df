package scenario

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Repeat lets a plan come round after round. Each round is a plan of its own at the
// platform, called NAME.1, NAME.2 and on, which ends when the next one begins: devices
// that have accepted it go on. The last one outlasts the run.
type Repeat struct {
	Every    time.Duration // from the beginning of a round to that of the next
	Rounds   int           // how many begin within the run; at least 1
	Versions Versions
}

// Versions says to which versions the rounds of a plan upgrade.
type Versions string

// The two ways. Both start with the target as it is given, which ends with a number.
const (
	Alternate Versions = "alternate" // that number and the next one in turns: two packages, signed to be taken again
	Count     Versions = "count"     // that number counts on: a package for each round
)

// The bounds of a repeated plan.
const (
	MinEvery   = 10 * time.Second // from round to round
	MaxRounds  = 20_000           // of one plan
	MaxCounted = 500              // rounds that count on: each needs a package, which are all made at the start
)

// Round is the n-th round of a repeated plan, from 1.
func (p *Plan) Round(n int) *Plan {
	r := *p
	r.Repeat = nil
	r.Name = roundName(p.Name, n)
	r.Starts = p.Starts + time.Duration(n-1)*p.Repeat.Every
	if n < p.Repeat.Rounds {
		r.Ends = r.Starts + p.Repeat.Every
	}
	further := n - 1
	if p.Repeat.Versions == Alternate {
		further %= 2
	}
	r.Components = slices.Clone(p.Components)
	for i := range r.Components {
		c := &r.Components[i]
		c.Target, _ = countOn(c.Target, further)
		c.AllowDowngrade = c.AllowDowngrade || p.Repeat.Versions == Alternate
	}
	return &r
}

// roundAt is the number of the round that a time belongs to.
func (p *Plan) roundAt(at time.Duration) int {
	return min(p.Repeat.Rounds, 1+int(max(0, at-p.Starts)/p.Repeat.Every))
}

// NameAt is what the platform calls the plan at a time: of a repeated one, the round.
func (p *Plan) NameAt(at time.Duration) string {
	if p.Repeat == nil {
		return p.Name
	}
	return roundName(p.Name, p.roundAt(at))
}

// Making are the plans of which packages are made: itself, or the rounds that do not
// repeat the versions of earlier ones.
func (p *Plan) Making() iter.Seq2[int, *Plan] {
	return func(yield func(int, *Plan) bool) {
		if p.Repeat == nil {
			yield(0, p)
			return
		}
		different := p.Repeat.Rounds
		if p.Repeat.Versions == Alternate {
			different = min(2, different)
		}
		for i := range different {
			if !yield(i, p.Round(i+1)) {
				return
			}
		}
	}
}

// behind a plan's name stands the number of the round.
const roundMark = "."

func roundName(plan string, n int) string { return plan + roundMark + strconv.Itoa(n) }

// RoundOf says of which repeated plan a plan of the platform is a round, and which one,
// from 1; 0 if it is none.
func (s *Scenario) RoundOf(name string) (plan *Plan, n int) {
	i := strings.LastIndex(name, roundMark)
	if i < 0 {
		return nil, 0
	}
	p := s.Repeated(name[:i])
	if p == nil {
		return nil, 0
	}
	if n, err := strconv.Atoi(name[i+1:]); err == nil && n > 0 && n <= p.Repeat.Rounds {
		return p, n
	}
	return nil, 0
}

// Repeated finds a plan that comes again by its name; nil if there is none.
func (s *Scenario) Repeated(name string) *Plan {
	if p := s.Plan(name); p != nil && p.Repeat != nil {
		return p
	}
	return nil
}

// IsOf reports whether a plan of the platform is this one, or a round of it.
func (p *Plan) IsOf(name string) bool {
	if p.Repeat == nil {
		return name == p.Name
	}
	number, is := strings.CutPrefix(name, p.Name+roundMark)
	return is && number != "" && strings.Trim(number, "0123456789") == ""
}

// maxDigits is how long the number at the end of a version may be that counts on.
const maxDigits = 15

// countOn raises the number at the end of a version; false if none is there.
func countOn(version string, by int) (string, bool) {
	head := strings.TrimRight(version, "0123456789")
	digits := version[len(head):]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(digits) > maxDigits {
		return version, false
	}
	return fmt.Sprintf("%s%0*d", head, len(digits), n+int64(by)), true
}
