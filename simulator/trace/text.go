package trace

import (
	"strconv"
	"strings"
	"time"
)

// Text is a CSV text that is the same trace.
func (t *Trace) Text() string {
	var b strings.Builder
	b.WriteString("time_ms")
	for _, c := range t.written() {
		b.WriteString("," + c.name)
	}
	for i := range t.points {
		p := &t.points[i]
		b.WriteString("\n" + milliseconds(p.At))
		for _, c := range t.written() {
			b.WriteString("," + c.text(p))
		}
	}
	b.WriteString("\n" + milliseconds(t.length) + "\n")
	return b.String()
}

// output is a column as it is written.
type output struct {
	name  string
	given bool
	text  func(p *Point) string
}

// written are the columns that the trace has.
func (t *Trace) written() (given []output) {
	for _, c := range []output{
		{"down_bytes_s", t.Gives.Down, func(p *Point) string { return strconv.FormatInt(p.Down, 10) }},
		{"up_bytes_s", t.Gives.Up, func(p *Point) string { return strconv.FormatInt(p.Up, 10) }},
		{"latency_ms", t.Gives.Latency, func(p *Point) string { return milliseconds(p.Latency) }},
		{"loss_percent", t.Gives.Loss, func(p *Point) string { return strconv.FormatFloat(p.Loss, 'f', -1, 64) }},
	} {
		if c.given {
			given = append(given, c)
		}
	}
	return given
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}
