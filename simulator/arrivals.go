package simulator

import (
	"cmp"
	"slices"
	"time"

	"otafleet/simulator/verdict"
)

// arrival is a device and when it gets power for the first time.
type arrival struct {
	at    time.Duration
	fleet *fleet
	n     int
}

// arrivals lists the run's devices in the order in which they arrive.
func (w *world) arrivals() []arrival {
	all := make([]arrival, 0, w.selected.Devices())
	for i, f := range w.fleets {
		for n := 1; n <= f.spec.Count; n++ {
			if w.selected.Has(i, n) {
				all = append(all, arrival{w.scenario.Arrival(f.spec, n), f, n})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	return all
}

// sizes lists the fleets with the devices of them that the run has.
func (w *world) sizes() []verdict.FleetSize {
	sizes := verdict.Sizes(w.scenario)
	for i := range sizes {
		sizes[i].Devices = w.selected.Count(i)
	}
	return sizes
}
