package real

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
)

// fleet is what the devices of one fleet share.
type fleet struct {
	spec    *scenario.Fleet
	machine *agent.Config
}

func newFleet(spec *scenario.Fleet) *fleet {
	machine := model.MachineConfig(spec)
	return &fleet{spec, &machine}
}

// member is a device of a fleet.
type member struct {
	fleet *fleet
	n     int // from 1
}

// identity names the device to the platform.
func (m member) identity() ota.Identity { return m.fleet.spec.Identity(m.n) }

// arrival is a device, with the devices behind it, and when they get power for
// the first time.
type arrival struct {
	at time.Duration
	member
	// unasked says that the run does not have the device, but some behind it.
	unasked bool
	behind  []member
}

// listArrivals lists the run's devices in the order in which they arrive.
func (w *world) listArrivals() ([]arrival, error) {
	all := make([]arrival, 0, w.selected.Devices())
	for i, f := range w.fleets {
		if f.spec.Behind != "" {
			continue
		}
		for n := 1; n <= f.spec.Count; n++ {
			a := arrival{w.scenario.Arrival(f.spec, n), member{f, n}, !w.selected.Has(i, n), w.behind(f, n)}
			if len(a.behind) > link.MaxMembers {
				return nil, fmt.Errorf("device %s would speak for %d devices; at most %d are possible: give fleet %s more devices",
					a.identity().Device, len(a.behind), link.MaxMembers, f.spec.Name)
			}
			if !a.unasked || len(a.behind) > 0 {
				all = append(all, a)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	return all, nil
}

// behind lists the run's devices for which a device speaks.
func (w *world) behind(f *fleet, n int) []member {
	var all []member
	for i, sub := range w.fleets {
		if sub.spec.Behind != f.spec.Name {
			continue
		}
		for k := n; k <= sub.spec.Count; k += f.spec.Count { // as Scenario.Gateway counts
			if w.selected.Has(i, k) {
				all = append(all, member{sub, k})
			}
		}
	}
	return all
}

// gateways names, by gateway, the devices that speak over another's session.
func gateways(arrivals []arrival) map[string][]string {
	all := map[string][]string{}
	for _, a := range arrivals {
		for _, m := range a.behind {
			key := a.identity().Device
			all[key] = append(all[key], m.identity().ClientID())
		}
	}
	return all
}
