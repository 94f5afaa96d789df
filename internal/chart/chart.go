// Package chart draws stacked areas: how many of a whole were in each state over
// time.
//
// One flow through it: New takes the places on the axis of time at which something
// is known; Add lays one state after another on those below it, and returns its
// outline as the path of an SVG, to be shown in a view box of Size by Size that is
// stretched to its page.
//
// It knows neither what the states are nor how they are coloured, and draws no
// axis.
package chart

import (
	"fmt"
	"strings"
)

// Size is the width and the height of a drawing.
const Size = 1000

// Area is a stack of layers, each as high in every column as its share of the whole.
type Area struct {
	at  []float64 // the columns' places, as shares of the width
	top []float64 // the upper edge of what was added, as shares of the height
}

// New returns an area without layers. Its columns stand at these shares of the
// width, from the left to the right.
func New(at []float64) *Area {
	return &Area{at: at, top: make([]float64, len(at))}
}

// Add lays a layer on those that are there. height is its share of the whole in
// a column. The result is its outline.
func (a *Area) Add(height func(column int) float64) string {
	floor := a.top
	a.top = make([]float64, len(a.at))
	for i := range a.at {
		a.top[i] = floor[i] + height(i)
	}
	var b strings.Builder
	b.WriteString("M")
	for i := range a.at {
		a.point(&b, i, a.top[i])
	}
	b.WriteString("L")
	for i := len(a.at) - 1; i >= 0; i-- {
		a.point(&b, i, floor[i])
	}
	return strings.TrimSpace(b.String()) + "Z"
}

// point writes where a column has a height.
func (a *Area) point(b *strings.Builder, column int, height float64) {
	fmt.Fprintf(b, "%.4g,%.4g ", Size*a.at[column], Size*(1-height))
}

// Line is a line through these heights, in the columns at these shares of the width, as
// the path of an SVG of Size by Size.
func Line(at []float64, height func(column int) float64) string {
	area := New(at)
	var b strings.Builder
	b.WriteString("M")
	for i := range at {
		area.point(&b, i, height(i))
	}
	return strings.TrimSpace(b.String())
}
