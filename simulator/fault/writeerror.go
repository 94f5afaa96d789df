package fault

import (
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// writeError fails a write of the new version: of a chunk while it is being
// downloaded, or of the whole while it is being staged.
func (in *Injection) writeError(g Gear) Gear {
	op := Stage
	if in.fault.At == scenario.At(ota.Downloading) {
		op = Write
	}
	comes := in.disarm
	if in.fault.After == (scenario.After{}) {
		comes = func() bool { _, ok := in.strike(); return ok }
	} else {
		g = in.when(g, Passes, func(int) { in.arm() })
	}
	operate := g.Operate
	g.Operate = func(component string, asked Operation) error {
		if asked == op && in.about(component) && comes() {
			in.tell()
			return firmware.Failf(ota.WriteFailed, "the scenario says that the flash cannot be written")
		}
		return operate(component, asked)
	}
	return g
}
