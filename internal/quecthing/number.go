package quecthing

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// maxDecimals is how many digits behind the point a number may have.
const maxDecimals = 15

// number is a value with sign and decimals: magnitude / 10^decimals.
type number struct {
	negative  bool
	decimals  uint8 // 0 to 15
	magnitude uint64
}

// integer is a number without decimals.
func integer(v int64) number {
	if v < 0 {
		return number{negative: true, magnitude: -uint64(v)} //nolint:gosec // two's complement: the magnitude of any int64
	}
	return number{magnitude: uint64(v)}
}

// decimal is the number whose digits are the shortest that mean v, cut behind the
// 15th decimal. What does not fit becomes the largest that does; NaN is 0.
func decimal(v float64) number {
	if math.IsNaN(v) {
		return number{}
	}
	digits := strconv.FormatFloat(math.Abs(v), 'f', -1, 64)
	whole, fraction, _ := strings.Cut(digits, ".")
	fraction = fraction[:min(len(fraction), maxDecimals)]
	for {
		// An integral part that leaves no room takes the place of decimals.
		magnitude, err := strconv.ParseUint(whole+fraction, 10, 64)
		if err == nil || fraction == "" {
			return number{negative: v < 0 && magnitude != 0, decimals: uint8(len(fraction)), //nolint:gosec // at most 15
				magnitude: magnitude}
		}
		fraction = fraction[:len(fraction)-1]
	}
}

func (n number) append(b []byte) []byte {
	var full [8]byte
	binary.BigEndian.PutUint64(full[:], n.magnitude)
	skip := 0
	for skip < 7 && full[skip] == 0 {
		skip++
	}
	head := n.decimals<<3 | uint8(7-skip) //nolint:gosec // 0 to 7
	if n.negative {
		head |= 0x80
	}
	return append(append(b, head), full[skip:]...)
}

// cutNumber reads a number and gives what follows it.
func cutNumber(b []byte) (n number, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 2+int(b[0]&7) {
		return n, nil, false
	}
	n = number{negative: b[0]&0x80 != 0, decimals: b[0] >> 3 & 15}
	size := 2 + int(b[0]&7)
	for _, c := range b[1:size] {
		n.magnitude = n.magnitude<<8 | uint64(c)
	}
	return n, b[size:], true
}

// int is the number as an integer; not ok if it has decimals, or does not fit.
func (n number) int() (v int64, ok bool) {
	switch {
	case n.decimals != 0:
		return 0, false
	case n.negative && n.magnitude <= 1<<63:
		return -int64(n.magnitude), true //nolint:gosec // -1<<63 is its own negative
	case n.magnitude <= math.MaxInt64:
		return int64(n.magnitude), !n.negative
	}
	return 0, false
}

func (n number) float() float64 {
	v := float64(n.magnitude) / math.Pow10(int(n.decimals))
	if n.negative {
		return -v
	}
	return v
}
