package yamlform

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseInt reads a whole number in decimal.
func ParseInt(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is out of bounds", quote(text))
	}
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number", quote(text))
	}
	return n, nil
}

// ParseDuration reads a duration: a number with a unit, such as 80ms, 30s,
// 1h30m. A bare 0 needs no unit.
func ParseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration; want a number with a unit, such as 80ms, 30s, 10m or 24h", quote(text))
	}
	return d, nil
}

// FormatDuration prints a duration as ParseDuration reads it, without the parts
// that are zero: 10m, not 10m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// The units of sizes, largest first, so that printing finds the largest that
// fits.
func sizeUnits() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}
}

// ParseSize reads a number of bytes, bare or with one of the units KiB, MiB,
// GiB and TiB. It is never negative.
func ParseSize(text string) (int64, error) {
	number, unit := text, int64(1)
	for _, u := range sizeUnits() {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = n, u.bytes
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is not a size; want bytes, or a whole number with a unit, such as 64KiB or 1MiB",
			quote(text))
	case n < 0 || n > math.MaxInt64/unit || err != nil:
		return 0, fmt.Errorf("%s is out of bounds", quote(text))
	}
	return n * unit, nil
}

// FormatSize prints a size as ParseSize reads it, in the largest unit that keeps
// it whole.
func FormatSize(n int64) string {
	for _, u := range sizeUnits() {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// ParseRate reads a size a second, such as 2MiB/s. A bare 0 needs no unit.
func ParseRate(text string) (int64, error) {
	if text == "0" {
		return 0, nil
	}
	size, ok := strings.CutSuffix(text, "/s")
	n, err := ParseSize(size)
	if !ok || err != nil {
		return 0, fmt.Errorf("%s is not a rate; want a size a second, such as 2MiB/s", quote(text))
	}
	return n, nil
}

// ParsePercent reads a percentage from 0% to 100%, such as 0.5%, and gives the
// number before the sign.
func ParsePercent(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	p, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(p >= 0 && p <= 100) {
		return 0, fmt.Errorf("%s is not a percentage; want 0%% to 100%%, such as 0.5%% or 20%%", quote(text))
	}
	return p, nil
}
