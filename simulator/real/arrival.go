package real

import (
	"fmt"

	"otafleet/agent/link"
	"otafleet/simulator/model"
)

// listArrivals lists the run's devices in the order in which they arrive.
func (w *world) listArrivals() ([]model.Group, error) {
	all := model.Arrivals(w.scenario, w.selected)
	for i := range all {
		gateway, behind := all[i].Gateway(), len(all[i].Behind())
		if behind > link.MaxMembers {
			return nil, fmt.Errorf("device %s would speak for %d devices; at most %d are possible: give fleet %s more devices",
				gateway.Fleet.Device(gateway.N), behind, link.MaxMembers, gateway.Fleet.Name)
		}
	}
	return all, nil
}

// gateways names, by gateway, the devices that speak over another's session.
func gateways(arrivals []model.Group) map[string][]string {
	all := map[string][]string{}
	for i := range arrivals {
		gateway := arrivals[i].Gateway()
		for _, m := range arrivals[i].Behind() {
			key := gateway.Fleet.Device(gateway.N)
			all[key] = append(all[key], m.Fleet.Identity(m.N).ClientID())
		}
	}
	return all
}
