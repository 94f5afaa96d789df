package native

import "time"

// backoff spreads the reconnects of a fleet that lost its broker at one moment.
type backoff struct {
	first, most time.Duration
	failures    int // in a row
}

// next gives the delay before the next try: any part of a ceiling that doubles
// with every failure. The draw comes after the cap, since a jitter that is added
// before it vanishes for every device that has reached the cap.
func (b *backoff) next(draw float64) time.Duration {
	ceiling := b.ceiling()
	if ceiling < b.most {
		b.failures++
	}
	return time.Duration(draw * float64(ceiling))
}

// held tells how long a connection was up. One that outlived the ceiling was a
// good one, and the next loss starts anew. One that is lost again at once, as
// when two devices share an identity and drive each other out, does not.
func (b *backoff) held(up time.Duration) {
	if up > b.ceiling() {
		b.failures = 0
	}
}

func (b *backoff) ceiling() time.Duration { return min(b.first<<b.failures, b.most) }
