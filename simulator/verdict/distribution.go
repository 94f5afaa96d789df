package verdict

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"otafleet/simulator/scenario"
)

// Distribution is how long something took, over many times that it was measured:
// a histogram with an error of at most 0.1%, and the longest time exactly. The
// zero value is an empty one. Distributions of the parts of a run are merged.
type Distribution struct {
	histogram *hdrhistogram.Histogram // of microseconds; nil until something is added
	longest   time.Duration
}

// newHistogram has a resolution of a microsecond, and the longest run as its end.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(scenario.MaxDuration/time.Microsecond), 3)
}

// Add takes a measurement. Less than a microsecond counts as one, more than the longest
// run as that.
func (d *Distribution) Add(t time.Duration) {
	if d.histogram == nil {
		d.histogram = newHistogram()
	}
	t = min(max(t, time.Microsecond), scenario.MaxDuration)
	d.longest = max(d.longest, t)
	// Only what lies beyond the histogram's end cannot be recorded.
	_ = d.histogram.RecordValue(t.Microseconds())
}

// Merge adds the other one's measurements.
func (d *Distribution) Merge(other *Distribution) {
	if other.histogram == nil {
		return
	}
	if d.histogram == nil {
		d.histogram = newHistogram()
	}
	d.histogram.Merge(other.histogram)
	d.longest = max(d.longest, other.longest)
}

// Count is the number of measurements.
func (d *Distribution) Count() int {
	if d.histogram == nil {
		return 0
	}
	return int(d.histogram.TotalCount())
}

// At is the time that so large a share of the measurements stayed within; 0
// without measurements.
func (d *Distribution) At(q scenario.Quantile) time.Duration {
	switch {
	case d.histogram == nil:
		return 0
	case q == scenario.Max:
		return d.longest
	}
	return min(d.longest, time.Duration(d.histogram.ValueAtPercentile(float64(q.Percent())))*time.Microsecond)
}

// Bar is a bar of a distribution: how many measurements lie above From, up to
// and with To.
type Bar struct {
	From, To time.Duration
	Count    int
}

// Bars divides the distribution into bars of a width, up to the longest time.
func (d *Distribution) Bars(width time.Duration) []Bar {
	if d.Count() == 0 {
		return nil
	}
	bars := make([]Bar, (d.longest+width-1)/width)
	for i := range bars {
		bars[i].From, bars[i].To = time.Duration(i)*width, time.Duration(i+1)*width
	}
	for _, bar := range d.histogram.Distribution() {
		if bar.Count > 0 {
			i := min(int(time.Duration(bar.To)*time.Microsecond/width), len(bars)-1)
			bars[i].Count += int(bar.Count)
		}
	}
	return bars
}

// Times are the distributions of the spans of an upgrade.
type Times struct{ Upgrade, Decide, Download, Install Distribution }

// Of is the distribution of a span.
func (t *Times) Of(span scenario.Span) *Distribution {
	return ofSpan(span, &t.Upgrade, &t.Decide, &t.Download, &t.Install)
}

// ofSpan is what belongs to a span, of what belongs to each.
func ofSpan[T any](span scenario.Span, upgrade, decide, download, install *T) *T {
	switch span {
	case scenario.DecideSpan:
		return decide
	case scenario.DownloadSpan:
		return download
	case scenario.InstallSpan:
		return install
	}
	return upgrade
}

func (t *Times) merge(other *Times) {
	for _, span := range scenario.Spans() {
		t.Of(span).Merge(other.Of(span))
	}
}
