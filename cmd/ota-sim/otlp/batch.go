package otlp

import (
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"otafleet/internal/exposition"
)

// batch gathers figures in the form of OpenTelemetry.
type batch struct {
	began, now time.Time
	metrics    []metricdata.Metrics
	histogram  *metricdata.HistogramDataPoint[float64] // of the last family, if it is one
}

var _ exposition.Sink = (*batch)(nil)

// Family begins a metric (exposition.Sink). Units stay empty: a collector that writes for
// Prometheus would add them to the name.
func (b *batch) Family(name, kind, help string) {
	m := metricdata.Metrics{Name: name, Description: help}
	b.histogram = nil
	switch kind {
	case "counter":
		m.Data = &metricdata.Sum[float64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
	case "histogram":
		b.histogram = &metricdata.HistogramDataPoint[float64]{StartTime: b.began, Time: b.now}
	default:
		m.Data = &metricdata.Gauge[float64]{}
	}
	b.metrics = append(b.metrics, m)
}

// Sample adds a value to the last metric (exposition.Sink).
func (b *batch) Sample(name string, value float64, labels ...string) {
	m := &b.metrics[len(b.metrics)-1]
	if b.histogram != nil {
		b.part(strings.TrimPrefix(name, m.Name), value, labels)
		m.Data = metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality,
			DataPoints: []metricdata.HistogramDataPoint[float64]{*b.histogram}}
		return
	}
	point := metricdata.DataPoint[float64]{Attributes: attributes(labels), StartTime: b.began, Time: b.now, Value: value}
	switch data := m.Data.(type) {
	case *metricdata.Sum[float64]:
		data.DataPoints = append(data.DataPoints, point)
	case *metricdata.Gauge[float64]:
		data.DataPoints = append(data.DataPoints, point)
	}
}

// part adds a sample to a histogram. Prometheus counts in each bucket those below it, too;
// OpenTelemetry does not, and has a last bucket without a bound.
func (b *batch) part(what string, value float64, labels []string) {
	h := b.histogram
	switch what {
	case "_sum":
		h.Sum = value
	case "_count":
		h.Count = uint64(value)
	case "_bucket":
		below := uint64(0)
		for _, n := range h.BucketCounts {
			below += n
		}
		h.BucketCounts = append(h.BucketCounts, uint64(value)-below)
		if bound, err := strconv.ParseFloat(labels[1], 64); err == nil && labels[1] != "+Inf" {
			h.Bounds = append(h.Bounds, bound)
		}
	}
}

// data gives what was gathered.
func (b *batch) data() []metricdata.Metrics {
	for i := range b.metrics { // the exporter takes values
		switch data := b.metrics[i].Data.(type) {
		case *metricdata.Sum[float64]:
			b.metrics[i].Data = *data
		case *metricdata.Gauge[float64]:
			b.metrics[i].Data = *data
		}
	}
	return b.metrics
}

func attributes(labels []string) attribute.Set {
	var all []attribute.KeyValue
	for i := 0; i+1 < len(labels); i += 2 {
		all = append(all, attribute.String(labels[i], strings.ToValidUTF8(labels[i+1], "\ufffd")))
	}
	return attribute.NewSet(all...)
}
