package scenario

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/yamlform"
)

// show prints a value as the scenario gives it.
func show[T any](v T) string {
	if d, ok := any(v).(time.Duration); ok {
		return yamlform.FormatDuration(d)
	}
	return fmt.Sprint(v)
}

// Percent is a share in hundredths, 0 to 100.
type Percent float64

// String gives the form in a scenario: 0.5%.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// Share is the percentage as a number from 0 to 1.
func (p Percent) Share() float64 { return float64(p) / 100 }

// Of is the percentage of n, rounded to the nearest whole number.
func (p Percent) Of(n int) int { return int(math.Round(float64(p) * float64(n) / 100)) }

// After says when within its step a fault strikes: at a share of the step, or
// after a time. The zero value is the beginning of the step.
type After struct {
	Share Range[Percent]       // of the bytes or the time that the step takes
	Delay Range[time.Duration] // from the beginning of the step
}

// ByShare reports whether the share counts, and not the delay.
func (a After) ByShare() bool { return a.Share.Hi > 0 }

// String gives the form in a scenario: 50% or 5s.
func (a After) String() string {
	if a.ByShare() {
		return a.Share.String()
	}
	return a.Delay.String()
}

// Op is the sign of a comparison.
type Op string

// The signs. A bare number means Equal.
const (
	AtLeast Op = ">="
	AtMost  Op = "<="
	Above   Op = ">"
	Below   Op = "<"
	Equal   Op = "=="
)

// compare applies a sign.
func compare[T cmp.Ordered](a T, op Op, b T) bool {
	switch op {
	case AtLeast:
		return a >= b
	case AtMost:
		return a <= b
	case Above:
		return a > b
	case Below:
		return a < b
	}
	return a == b
}

// cutOp takes the sign off a comparison.
func cutOp(text string) (Op, string) {
	for _, op := range []Op{AtLeast, AtMost, Above, Below, Equal} {
		if rest, ok := strings.CutPrefix(text, string(op)); ok {
			return op, strings.TrimSpace(rest)
		}
	}
	return Equal, text
}

// Comparison is what a count is expected to be, by itself or as a share.
type Comparison struct {
	Op      Op
	Value   float64 // a whole number, or the percentage
	Percent bool    // whether the count is compared as a share of a total
}

// Holds reports whether n, out of total, is as expected. Of a total of 0, every
// share is as good as reached.
func (c Comparison) Holds(n, total int) bool {
	if !c.Percent {
		return compare(float64(n), c.Op, c.Value)
	}
	// Both sides are multiplied by the total, and rounded far below one device,
	// so that 99.9% of 1000 is 999 and not a little more.
	const fine = 1e6
	return compare(math.Round(fine*100*float64(n)), c.Op, math.Round(fine*c.Value*float64(total)))
}

// String gives the form in a scenario: ">= 99%" or "== 0".
func (c Comparison) String() string {
	s := string(c.Op) + " " + strconv.FormatFloat(c.Value, 'f', -1, 64)
	if c.Percent {
		s += "%"
	}
	return s
}

// Limit is what a time is expected to be.
type Limit struct {
	Op    Op
	Value time.Duration
}

// Holds reports whether d is as expected.
func (l Limit) Holds(d time.Duration) bool { return compare(d, l.Op, l.Value) }

// String gives the form in a scenario: "< 5m".
func (l Limit) String() string { return string(l.Op) + " " + yamlform.FormatDuration(l.Value) }
