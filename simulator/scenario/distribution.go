package scenario

import (
	"fmt"
	"math"
	"time"
)

// Shape is how likely the values of a Range are.
type Shape string

// The shapes.
const (
	Uniform   Shape = ""          // all alike
	Normal    Shape = "normal"    // Centre is the mean, Spread the standard deviation
	Exp       Shape = "exp"       // Centre is the mean
	LogNormal Shape = "lognormal" // Centre is the median, Spread the standard deviation of the logarithm
)

// Range is one value, or the values of which a device draws its own: from Lo to
// Hi, evenly or by another shape. What wrong outside of the bounds never comes:
// it is as if the device drew again.
type Range[T int | time.Duration | Percent] struct {
	Lo, Hi         T
	Shape          Shape
	Centre, Spread float64 // of a shape other than Uniform; Centre, and Spread of Normal, in units of T
}

// At is the value that a device draws with the random number u, 0 <= u < 1. It
// never falls as u rises. Each whole number of an even range is equally likely.
func (r Range[T]) At(u float64) T {
	whole := T(1)/2 == 0
	if r.Shape == Uniform {
		width := float64(r.Hi - r.Lo)
		if whole {
			return min(r.Lo+T(u*(width+1)), r.Hi)
		}
		return r.Lo + T(u*width)
	}
	lo, hi := float64(r.Lo), float64(r.Hi)
	if whole {
		lo, hi = lo-0.5, hi+0.5
	}
	from, to := r.below(lo), r.below(hi)
	x := r.quantile(from + u*(to-from))
	if whole {
		x = math.Round(x)
	}
	return clamp(x, r.Lo, r.Hi)
}

// clamp keeps what rounding has carried over a bound, or infinity, within.
func clamp[T int | time.Duration | Percent](x float64, lo, hi T) T {
	switch {
	case x >= float64(hi):
		return hi
	case x <= float64(lo):
		return lo
	}
	return T(x)
}

// below is the probability of a value below x, without bounds.
func (r Range[T]) below(x float64) float64 {
	switch r.Shape {
	case Normal:
		return normalBelow((x - r.Centre) / r.Spread)
	case Exp:
		return -math.Expm1(-max(x, 0) / r.Centre)
	}
	return normalBelow(math.Log(max(x, 0)/r.Centre) / r.Spread)
}

// quantile is the value below which another one is with probability p, without
// bounds: the inverse of below.
func (r Range[T]) quantile(p float64) float64 {
	switch r.Shape {
	case Normal:
		return r.Centre + r.Spread*normalQuantile(p)
	case Exp:
		return -r.Centre * math.Log1p(-p)
	}
	return r.Centre * math.Exp(r.Spread*normalQuantile(p))
}

// normalBelow and normalQuantile are those of the mean 0 and the deviation 1.
func normalBelow(z float64) float64    { return math.Erfc(-z/math.Sqrt2) / 2 }
func normalQuantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }

// String gives the form in a scenario: 3, 5s..20s or normal(10s, 2s).
func (r Range[T]) String() string {
	switch r.Shape {
	case Normal:
		return fmt.Sprintf("normal(%s, %s)", show(T(r.Centre)), show(T(r.Spread)))
	case Exp:
		return fmt.Sprintf("exp(%s)", show(T(r.Centre)))
	case LogNormal:
		return fmt.Sprintf("lognormal(%s, %s)", show(T(r.Centre)), show(r.Spread))
	}
	if r.Lo == r.Hi {
		return show(r.Lo)
	}
	return show(r.Lo) + ".." + show(r.Hi)
}
