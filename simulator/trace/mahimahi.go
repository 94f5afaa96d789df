package trace

import (
	"bytes"
	"strconv"
	"time"
)

const (
	// opportunity is how many bytes a line of mahimahi's stands for.
	opportunity = 1500
	// bucket is over what time they are counted: finer than what a download notices.
	bucket = 100 * time.Millisecond
)

// mahimahi reads the form of mm-link(1): each line is the millisecond at which 1500
// bytes can pass; the trace begins again at its last line.
func (p *parser) mahimahi(data []byte) {
	p.trace.Gives.Down = true
	last, number, carried := int64(0), 0, int64(0)
	begin := time.Duration(0) // of the bucket under way
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		number++
		line = bytes.TrimSuffix(line, []byte("\r"))
		at, err := strconv.ParseUint(string(line), 10, 32)
		switch {
		case err != nil || len(line) == 0 || line[0] == '+':
			p.problem(number, 1, "", "%.40q is no millisecond of mahimahi's; want a whole number", line)
			return
		case int64(at) < last:
			p.problem(number, 1, "", "%d comes before the line above", at)
			return
		case time.Duration(at)*time.Millisecond > MaxLength:
			p.problem(number, 1, "", "%d is out of bounds; want at most 24h", at)
			return
		}
		last = int64(at)
		// What passes at a millisecond passes within it, so that of 100 is the last
		// of the first bucket.
		for moment := time.Duration(last) * time.Millisecond; moment > begin+bucket; begin += bucket {
			p.carry(begin, bucket, &carried)
			if len(p.trace.points) > MaxPoints {
				return
			}
		}
		carried += opportunity
	}
	p.trace.length = time.Duration(last) * time.Millisecond
	if rest := p.trace.length - begin; rest > 0 {
		p.carry(begin, rest, &carried)
	}
}

// carry adds what has been carried within a time.
func (p *parser) carry(begin, within time.Duration, bytes *int64) {
	p.trace.add(Point{At: begin, Down: min(int64(float64(*bytes)/within.Seconds()+0.5), maxRate)})
	*bytes = 0
}
