package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
)

// What is far beyond linear fails a check: the processor's time of a shared machine
// wavers, memory does not.
const (
	linear       = 1.15
	boundCPU     = 1.3
	boundMemory  = 1.2
	leastCPU     = 0.0005 // s: less is noise, as is a share of what the fewest units cost
	leastMemory  = 2.0    // MiB
	noiseCPU     = 0.25
	noiseMemory  = 0.1
	msPerSecond  = 1000
	kibPerMiB    = 1024
	digitsOfCost = 3
)

// heading is that of the table.
const heading = "| what grows | sizes | of the fewest | of one more | growth | first knee |\n" +
	"| --- | --- | --- | --- | --- | --- |"

// row is a line of the table.
type row struct {
	name, unit string
	sizes      []int
	costs      []cost
}

func (r *row) slope(of func(cost) float64, least, noise float64) slope {
	points := make([]point, len(r.costs))
	for i, c := range r.costs {
		points[i] = point{float64(r.sizes[i]), of(c)}
	}
	return slopeOf(points, max(least, noise*points[0].cost))
}

func (r *row) cpu() slope { return r.slope(func(c cost) float64 { return c.cpu }, leastCPU, noiseCPU) }
func (r *row) memory() slope {
	return r.slope(func(c cost) float64 { return c.memory }, leastMemory, noiseMemory)
}

// write writes the lines of a row: one of the processor's time and one of the memory.
func (r *row) write(w io.Writer) {
	r.line(w, r.name+", processor", "s", r.cpu(), msPerSecond, "ms")
	if r.costs[len(r.costs)-1].memory > 0 {
		r.line(w, r.name+", memory", "MiB", r.memory(), kibPerMiB, "KiB")
	}
}

func (r *row) line(w io.Writer, name, whole string, s slope, smaller float64, small string) {
	ends := fmt.Sprintf("%d to %d", r.sizes[0], r.sizes[len(r.sizes)-1])
	fmt.Fprintf(w, "| %s | %s | %s %s | %s %s | %s | %s |\n", name, ends, digits(s.fixed), whole,
		digits(s.each*smaller), small, s.growth(), s.bend(r.unit))
}

// growth says how a cost grows, in words.
func (s *slope) growth() string {
	switch {
	case math.IsNaN(s.power):
		return "hardly"
	case s.power > linear:
		return fmt.Sprintf("grows as n^%.2f", s.power)
	}
	return fmt.Sprintf("linear (n^%.2f)", s.power)
}

// bend says where the first knee is.
func (s *slope) bend(unit string) string {
	if s.knee == 0 {
		return "none"
	}
	return fmt.Sprintf("%d: %.1f times as much for a %s", s.knee, s.times, unit)
}

func digits(x float64) string {
	if x != 0 && math.Abs(x) < 1000 {
		return strconv.FormatFloat(x, 'g', digitsOfCost, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}

// beyond says which costs of a row grow by far more than its units.
func (r *row) beyond() (which []string) {
	if s := r.cpu(); s.power > boundCPU {
		which = append(which, fmt.Sprintf("%s: processor time grows as n^%.2f", r.name, s.power))
	}
	if s := r.memory(); s.power > boundMemory {
		which = append(which, fmt.Sprintf("%s: memory grows as n^%.2f", r.name, s.power))
	}
	return which
}
