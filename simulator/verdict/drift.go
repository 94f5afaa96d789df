package verdict

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// MemorySample is how much memory the processes of a run had resident at a time of it,
// after what they did not need any more was given back. In virtual time, where devices
// live one after the other, the share of them that have come to their end stands for the
// share of the run's time.
type MemorySample struct {
	At    time.Duration
	Bytes int64
}

// MemorySamples is how many samples a run has, at equal distances.
const MemorySamples = 40

// addSamples adds what another process has taken at the same times.
func addSamples(a, b []MemorySample) []MemorySample {
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...)
	}
	sum := a[:min(len(a), len(b))]
	for i := range sum {
		sum[i].Bytes += b[i].Bytes
	}
	return sum
}

// memoryDrift is the least of the samples of the second tenth of a run, when everything is
// warm, and of those of the last: what comes and goes in between is no drift. It is false
// for too few samples.
func (f *Figures) memoryDrift() (first, last int64, known bool) {
	if len(f.Memory) == 0 {
		return 0, 0, false
	}
	end := f.Memory[len(f.Memory)-1].At
	between := func(from, to time.Duration) int64 {
		least := int64(0)
		for _, s := range f.Memory {
			if s.At > from && s.At <= to && (least == 0 || s.Bytes < least) {
				least = s.Bytes
			}
		}
		return least
	}
	first, last = between(end/10, end/5), between(end-end/10, end)
	return first, last, first > 0 && last > 0 && len(f.Memory) >= MemorySamples/4
}

// latencyDrift is a quantile over the first and the last tenth of the windows in which it
// was measured, at least one each. It is false for less than two such windows.
func (w *Windows) latencyDrift(span scenario.Span, q scenario.Quantile) (first, last time.Duration, known bool) {
	var measured []*latency
	for i := range w.list {
		if l := w.list[i].times.of(span); l.count > 0 {
			measured = append(measured, l)
		}
	}
	if len(measured) < 2 {
		return 0, 0, false
	}
	n := max(1, len(measured)/10)
	over := func(some []*latency) time.Duration {
		var sum latency
		for _, l := range some {
			sum.merge(l)
		}
		return sum.at(q)
	}
	return over(measured[:n]), over(measured[len(measured)-n:]), true
}

// drift judges by how much a figure is another one at the end of the run.
func (x *expecting) drift(e scenario.DriftExpectation) {
	expected, nothing := Expectation{Name: e.String()}, ""
	var first, last float64
	var known bool
	if e.Span == "" {
		a, b, enough := x.figures.memoryDrift()
		first, last, known = float64(a), float64(b), enough
		expected.Measured = fmt.Sprintf("%s in the second tenth, %s in the last", ota.FormatSize(a), ota.FormatSize(b))
		nothing = "memory was not measured often enough"
	} else {
		a, b, enough := x.figures.Windows.latencyDrift(e.Span, e.Quantile)
		first, last, known = float64(a), float64(b), enough
		expected.Measured = fmt.Sprintf("%s in the first windows, %s in the last", Seconds(a), Seconds(b))
		nothing = nothingMeasured(e.Span) + " in a second window"
	}
	if known {
		percent := 100 * (last/first - 1)
		expected.Measured = fmt.Sprintf("%+.2f%%: %s", percent, expected.Measured)
		expected.Held, expected.Occasions = e.Holds(percent), 2
		if x.part == chosen {
			expected = expected.deferred(x.part)
		}
	}
	x.add(expected, nothing)
}

// windows counts those in which everything held.
func (x *expecting) windows(c scenario.Comparison) {
	all := x.figures.Windows.Rolling(x.scenario, x.figures.Devices)
	held := 0
	for i := range all {
		if all[i].Held() {
			held++
		}
	}
	e := Expectation{Name: "windows.held " + c.String(), Measured: count(held, len(all), c.Percent),
		Held: c.Holds(held, len(all)), Occasions: len(all)}
	if x.part == chosen {
		e = e.deferred(x.part)
	}
	x.add(e, "the run has no windows")
}
