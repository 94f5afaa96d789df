package verdict

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"otafleet/simulator/scenario"
)

// latency is how long something took, as a Distribution in little memory: within 1%, in
// eight bytes for each time that differs by more. The zero value is an empty one.
type latency struct {
	bars    []bucket // that have some, shortest first
	count   int
	longest time.Duration
}

type bucket struct {
	number uint32
	count  uint32
}

// fineBits is how many bits of a time in microseconds count behind the first: a bucket is as
// wide as a 64th of its times, and its middle stands for them.
const fineBits = 6

func bucketOf(t time.Duration) uint32 {
	v := uint64(max(1, t.Microseconds()))
	shift := max(0, bits.Len64(v)-1-fineBits)
	return uint32(shift)<<fineBits + uint32(v>>shift)
}

// middle is the time that stands for a bucket.
func (b bucket) middle() time.Duration {
	shift := max(0, int(b.number>>fineBits)-1)
	v := uint64(b.number) - uint64(shift)<<fineBits
	return time.Duration(v<<shift+(uint64(1)<<shift)/2) * time.Microsecond
}

func (l *latency) add(t time.Duration) {
	l.put(bucket{bucketOf(t), 1})
	l.longest = max(l.longest, t)
}

func (l *latency) put(b bucket) {
	l.count += int(b.count)
	i, known := slices.BinarySearchFunc(l.bars, b, func(a, b bucket) int { return cmp.Compare(a.number, b.number) })
	if !known {
		l.bars = slices.Insert(l.bars, i, bucket{number: b.number})
	}
	l.bars[i].count += b.count
}

func (l *latency) merge(other *latency) {
	for _, b := range other.bars {
		l.put(b)
	}
	l.longest = max(l.longest, other.longest)
}

// at is the time that so large a share of the measurements stayed within; 0 without any.
func (l *latency) at(q scenario.Quantile) time.Duration {
	if q == scenario.Max {
		return l.longest
	}
	left := int(math.Ceil(q.Percent().Share() * float64(l.count)))
	for _, b := range l.bars {
		if left -= int(b.count); left <= 0 {
			return min(l.longest, b.middle())
		}
	}
	return l.longest
}

// latencies are those of the spans of an upgrade.
type latencies struct{ upgrade, decide, download, install latency }

func (l *latencies) of(span scenario.Span) *latency {
	return ofSpan(span, &l.upgrade, &l.decide, &l.download, &l.install)
}

func (l *latencies) merge(other *latencies) {
	for _, span := range scenario.Spans() {
		l.of(span).merge(other.of(span))
	}
}
