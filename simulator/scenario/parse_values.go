package scenario

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/yamlform"
)

// ranged makes a parse of a range, within bounds, of a parse of one value.
func ranged[T int | time.Duration | Percent](lo, hi T, parse func(string) (T, error)) func(string) (Range[T], error) {
	one := yamlform.Between(lo, hi, parse, show[T])
	return func(text string) (r Range[T], err error) {
		if shape, rest, isCall := strings.Cut(text, "("); isCall {
			return shaped(Shape(shape), rest, lo, hi, parse)
		}
		from, to, isRange := strings.Cut(text, "..")
		if r.Lo, err = one(from); err != nil {
			return r, err
		}
		if r.Hi = r.Lo; isRange {
			r.Hi, err = one(to)
		}
		if err == nil && r.Lo > r.Hi {
			err = fmt.Errorf("%s runs backwards; want %s..%s", text, to, from)
		}
		return r, err
	}
}

// shaped reads what follows the opening bracket of normal(10s, 2s), exp(10s) and
// lognormal(10s, 0.5).
func shaped[T int | time.Duration | Percent](shape Shape, rest string, lo, hi T,
	parse func(string) (T, error)) (r Range[T], err error) {
	inner, closed := strings.CutSuffix(rest, ")")
	values, wanted := strings.Split(inner, ","), 2
	if shape == Exp {
		wanted = 1
	}
	switch {
	case shape != Normal && shape != Exp && shape != LogNormal:
		return r, fmt.Errorf("%q is not a distribution%s", shape, yamlform.Suggest(string(shape), shapes()))
	case !closed:
		return r, fmt.Errorf("%q lacks its closing bracket; inside of { } and [ ], a value with a comma needs quotes "+
			"around it", string(shape)+"("+rest)
	case len(values) != wanted:
		return r, fmt.Errorf("%s(%s) has the wrong number of values; want normal(mean, deviation), exp(mean) or "+
			"lognormal(median, sigma)", shape, inner)
	}
	centre, err := yamlform.Between(lo, hi, parse, show[T])(strings.TrimSpace(values[0]))
	if err == nil && shape != Normal && centre <= 0 {
		err = fmt.Errorf("%s is out of bounds; %s is of values above 0 only", show(centre), shape)
	}
	if err != nil {
		return r, err
	}
	r = Range[T]{Shape: shape, Centre: float64(centre)}
	switch shape {
	case Normal:
		r.Spread, err = parseDeviation(strings.TrimSpace(values[1]), hi-lo, parse)
	case LogNormal:
		r.Spread, err = parseSigma(strings.TrimSpace(values[1]))
	}
	if err == nil {
		r.Lo, r.Hi = r.extremes(lo, hi)
	}
	return r, err
}

func shapes() []string { return []string{string(Normal), string(Exp), string(LogNormal)} }

// extremes are the least and the greatest value that a draw of 53 bits can give
// within bounds.
func (r Range[T]) extremes(lo, hi T) (least, greatest T) {
	const finest = 1.0 / (1 << 53)
	return clamp(math.Floor(r.quantile(finest)), lo, hi), clamp(math.Ceil(r.quantile(1-finest)), lo, hi)
}

// parseDeviation reads a standard deviation, which is no more than the width of
// what is allowed.
func parseDeviation[T int | time.Duration | Percent](text string, width T, parse func(string) (T, error)) (float64,
	error) {
	d, err := parse(text)
	if err == nil && (d <= 0 || d > width) {
		err = fmt.Errorf("%s is no deviation here; want more than 0, and at most %s", text, show(width))
	}
	return float64(d), err
}

// maxSigma makes a value of a lognormal distribution in a thousand more than
// 20,000 times its median: more is a slip of the pen.
const maxSigma = 3

func parseSigma(text string) (float64, error) {
	sigma, err := strconv.ParseFloat(text, 64)
	if err != nil || !(sigma > 0 && sigma <= maxSigma) {
		return 0, fmt.Errorf("%q is no sigma; want a number above 0, and at most %d, such as 0.5", text, maxSigma)
	}
	return sigma, nil
}

func parsePercent(text string) (Percent, error) {
	p, err := yamlform.ParsePercent(text)
	return Percent(p), err
}

// parseShare reads the percentage of devices that have a fault.
func parseShare(text string) (Percent, error) {
	p, err := parsePercent(text)
	if err == nil && p == 0 {
		err = errors.New("want a share above 0%, or the fault never happens")
	}
	return p, err
}

func parseAfter(text string) (a After, err error) {
	if strings.Contains(text, "%") {
		a.Share, err = ranged(0, 100, parsePercent)(text)
	} else {
		a.Delay, err = ranged(0, MaxDuration, yamlform.ParseDuration)(text)
	}
	return a, err
}

func parseComparison(text string) (Comparison, error) {
	op, value := cutOp(text)
	if strings.HasSuffix(value, "%") {
		p, err := yamlform.ParsePercent(value)
		return Comparison{Op: op, Value: p, Percent: true}, err
	}
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return Comparison{}, fmt.Errorf(`%q is not a comparison; want a number or a share, such as 0, "<= 10" or ">= 99%%"`,
			text)
	}
	return Comparison{Op: op, Value: float64(n)}, nil
}

// parseCount reads a comparison of a number that is a share of nothing.
func parseCount(text string) (Comparison, error) {
	c, err := parseComparison(text)
	if err != nil || c.Percent {
		return Comparison{}, fmt.Errorf(`%q is not a comparison of a number; want such as ">= 10"`, text)
	}
	return c, nil
}

func parseLimit(text string) (Limit, error) {
	op, value := cutOp(text)
	d, err := yamlform.ParseDuration(value)
	if err != nil || d < 0 || op == Equal {
		return Limit{}, fmt.Errorf(`%q is not a limit of time; want a sign and a duration, such as "< 5m"`, text)
	}
	return Limit{Op: op, Value: d}, nil
}

// parseFrequency reads a number of devices a second, such as 100/s.
func parseFrequency(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "/s")
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(n >= 0.001 && n <= MaxDevices) {
		return 0, fmt.Errorf("%q is not a rate of arrival; want 0.001/s to %d/s, such as 100/s", text, MaxDevices)
	}
	return n, nil
}

// parseRelease reads a release counter.
func parseRelease(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > MaxRelease {
		return 0, fmt.Errorf("%q is not a release counter; want a whole number from 0 to %d", text, uint64(MaxRelease))
	}
	return n, nil
}

// parseWindow reads two hours of the day, such as 1-5 or 22-6.
func parseWindow(text string) (*Window, error) {
	first, second, _ := strings.Cut(text, "-")
	from, errFrom := strconv.ParseUint(first, 10, 8)
	to, errTo := strconv.ParseUint(second, 10, 8)
	if errFrom != nil || errTo != nil || from > 23 || to < 1 || to > 24 || from == to%24 {
		return nil, fmt.Errorf(`%q is not a window; want two different hours of the day, such as "1-5" or "22-6"`, text)
	}
	return &Window{From: int(from), To: int(to)}, nil
}
