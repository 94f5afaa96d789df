package page

import (
	"fmt"
	"strings"
	"time"

	"otafleet/internal/chart"
	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// bar is one status with its share of a plan's devices.
type bar struct {
	deviceStatus
	Devices int
	Percent string // of all devices, which the bar shows too
}

// bars draws the five statuses.
func bars(t engine.Tally) []bar {
	total := t.Total()
	var all []bar
	for i, s := range statuses() {
		b := bar{deviceStatus: s, Devices: t[i], Percent: "0"}
		if total > 0 {
			b.Percent = fmt.Sprintf("%.1f", 100*float64(t[i])/float64(total))
		}
		all = append(all, b)
	}
	return all
}

// part is one status as a piece of a bar of all devices, in percent.
type part struct{ Class, From, Width string }

// shares cuts a bar into the statuses, those with an end first.
func shares(t engine.Tally) []part {
	var parts []part
	from, total := 0, t.Total()
	for _, i := range layers() {
		if t[i] > 0 {
			at := func(n int) string { return fmt.Sprintf("%.2f", 100*float64(n)/float64(total)) }
			parts = append(parts, part{statuses()[i].Class, at(from), at(t[i])})
		}
		from += t[i]
	}
	return parts
}

// layers is the order of the statuses in a drawing: what is done comes first and
// grows.
func layers() []ota.DeviceStatus {
	return []ota.DeviceStatus{ota.DeviceUpgraded, ota.DeviceNoUpdateRequired, ota.DeviceUpgradeFailed, ota.DeviceUpgrading,
		ota.DeviceNotUpgraded}
}

// area is how a plan's devices went from status to status over time, one layer on
// another.
type area struct {
	Layers     []layer
	From, To   time.Time
	Most       int // devices at the top edge
	Width      int
	Height     int
	Label      string // what the picture shows, for those who do not see it
	Difference string
}

// layer is one status as a closed path.
type layer struct{ Class, Name, Path string }

// draw stacks the samples of a plan up to now.
func draw(samples []engine.Sample, now time.Time) *area {
	if len(samples) == 0 {
		return nil
	}
	a := &area{From: samples[0].At, To: samples[len(samples)-1].At, Width: chart.Size, Height: chart.Size}
	if end := samples[len(samples)-1].Devices; end[0]+end[1] > 0 {
		a.To = now // it goes on
	}
	if !a.To.After(a.From) {
		a.To = a.From.Add(time.Second)
	}
	for _, s := range samples {
		a.Most = max(a.Most, s.Devices.Total())
	}
	if a.Most == 0 {
		return nil
	}
	last := samples[len(samples)-1]
	a.stack(append(samples, engine.Sample{At: a.To, Devices: last.Devices}))
	var words []string
	for i, s := range statuses() {
		words = append(words, fmt.Sprintf("%d %s", last.Devices[i], s.Name))
	}
	a.Difference = a.To.Sub(a.From).Round(time.Second).String()
	a.Label = fmt.Sprintf("Devices by status over %s; at the end: %s", a.Difference, strings.Join(words, ", "))
	return a
}

// stack lays the statuses on one another. Counts hold until the next sample, so
// each sample is a step: what was before stands at its time, too.
func (a *area) stack(samples []engine.Sample) {
	var at []float64
	var counts []engine.Tally
	for k, s := range samples {
		x := float64(s.At.Sub(a.From)) / float64(a.To.Sub(a.From))
		if k > 0 {
			at, counts = append(at, x), append(counts, samples[k-1].Devices)
		}
		at, counts = append(at, x), append(counts, s.Devices)
	}
	drawing := chart.New(at)
	for _, i := range layers() {
		s := statuses()[i]
		path := drawing.Add(func(column int) float64 { return float64(counts[column][i]) / float64(a.Most) })
		a.Layers = append(a.Layers, layer{s.Class, s.Name, path})
	}
}
