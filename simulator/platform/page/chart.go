package page

import (
	"fmt"
	"strings"
	"time"

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
	return []ota.DeviceStatus{ota.DeviceUpgraded, ota.DeviceNoUpdateRequired, ota.DeviceUpgradeFailed, ota.DeviceUpgrading, ota.DeviceNotUpgraded}
}

// The drawing's own measures; the page stretches it.
const (
	areaWidth  = 1000
	areaHeight = 240
)

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
	a := &area{From: samples[0].At, To: samples[len(samples)-1].At, Width: areaWidth, Height: areaHeight}
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
	samples = append(samples, engine.Sample{At: a.To, Devices: last.Devices})
	base := make([]int, len(samples))
	for _, i := range layers() {
		s := statuses()[i]
		a.Layers = append(a.Layers, layer{s.Class, s.Name, a.layer(samples, base, int(i))})
	}
	var words []string
	for i, s := range statuses() {
		words = append(words, fmt.Sprintf("%d %s", last.Devices[i], s.Name))
	}
	a.Difference = a.To.Sub(a.From).Round(time.Second).String()
	a.Label = fmt.Sprintf("Devices by status over %s; at the end: %s", a.Difference, strings.Join(words, ", "))
	return a
}

// layer draws one status on what lies below it, in steps, and raises base by it.
func (a *area) layer(samples []engine.Sample, base []int, status int) string {
	x := func(t time.Time) float64 { return areaWidth * float64(t.Sub(a.From)) / float64(a.To.Sub(a.From)) }
	y := func(n int) float64 { return areaHeight - areaHeight*float64(n)/float64(a.Most) }
	var upper, lower []string
	for k, s := range samples {
		top := base[k] + s.Devices[status]
		if k > 0 {
			before := base[k-1] // raised already
			upper = append(upper, fmt.Sprintf("%.1f %.1f", x(s.At), y(before)))
		}
		if k > 0 {
			lower = append(lower, fmt.Sprintf("%.1f %.1f", x(s.At), y(base[k-1]-samples[k-1].Devices[status])))
		}
		upper = append(upper, fmt.Sprintf("%.1f %.1f", x(s.At), y(top)))
		lower = append(lower, fmt.Sprintf("%.1f %.1f", x(s.At), y(base[k])))
		base[k] = top
	}
	for i, j := 0, len(lower)-1; i < j; i, j = i+1, j-1 {
		lower[i], lower[j] = lower[j], lower[i]
	}
	return "M" + strings.Join(upper, "L") + "L" + strings.Join(lower, "L") + "Z"
}
