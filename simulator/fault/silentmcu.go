package fault

import (
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// silentMCU lets an MCU not answer when the new version is brought to it, or
// when it is told to run it.
func (in *Injection) silentMCU(g Gear) Gear {
	op := Stage
	if in.fault.At == scenario.At(ota.Upgrading) {
		op = Activate
	}
	operate := g.Operate
	g.Operate = func(component string, asked Operation) error {
		if asked == op && in.about(component) && in.isMCU(component) {
			if _, ok := in.strike(); ok {
				in.tell()
				return firmware.Failf(ota.ComponentSilent, "the scenario says that the component does not answer")
			}
		}
		return operate(component, asked)
	}
	return g
}

func (in *Injection) isMCU(component string) bool {
	c := in.fleet.Component(component)
	return c != nil && c.Type == ota.MCU
}
