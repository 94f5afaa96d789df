package main

import "math"

// point is what a number of units cost.
type point struct{ units, cost float64 }

// slope is how a cost grows with the units that it is spent on.
type slope struct {
	fixed float64 // what the fewest units cost: start, end, and all that they share
	each  float64 // what one more unit costs, over all sizes
	power float64 // the cost beyond the fixed one grows as units^power; NaN if that is too little to tell
	knee  int     // the first size at which a unit costs much more than below it; 0 if there is none
	times float64 // how many times as much it costs there
}

// A unit that costs so many times what it costs below is a knee.
const steep = 1.5

// slopeOf fits a line to the logarithms of what points cost beyond the first of them, by
// least squares. Costs beyond it that are below the noise say nothing and are left out.
func slopeOf(points []point, noise float64) slope {
	first, last := points[0], points[len(points)-1]
	s := slope{fixed: first.cost, each: (last.cost - first.cost) / (last.units - first.units), power: math.NaN()}
	var xs, ys []float64
	for _, p := range points[1:] {
		if beyond := p.cost - first.cost; beyond >= noise {
			xs, ys = append(xs, math.Log(p.units-first.units)), append(ys, math.Log(beyond))
		}
	}
	if len(xs) > 1 {
		s.power = steepness(xs, ys)
	}
	s.knee, s.times = kneeOf(points, noise)
	return s
}

// steepness is that of the line through points that has the least squares.
func steepness(xs, ys []float64) float64 {
	var x, y, xx, xy float64
	n := float64(len(xs))
	for i := range xs {
		x, y = x+xs[i]/n, y+ys[i]/n
	}
	for i := range xs {
		xx, xy = xx+(xs[i]-x)*(xs[i]-x), xy+(xs[i]-x)*(ys[i]-y)
	}
	return xy / xx
}

// kneeOf finds the first size at which one more unit costs much more than the cheapest
// one below. What a step costs within the noise has no price.
func kneeOf(points []point, noise float64) (size int, times float64) {
	cheapest := math.Inf(1)
	for i := 1; i < len(points); i++ {
		more := points[i].cost - points[i-1].cost
		each := more / (points[i].units - points[i-1].units)
		if more < noise {
			continue
		}
		if each > steep*cheapest {
			return int(points[i].units), each / cheapest
		}
		cheapest = min(cheapest, each)
	}
	return 0, 0
}
