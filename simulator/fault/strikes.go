package fault

import "otafleet/simulator/scenario"

// Strikes is how often a fault of the scenario is drawn to strike device n, from
// 1, of a fleet; 0 if the device does not have it. It strikes less often where
// its place does not come so often.
func (s *Set) Strikes(f *scenario.Fault, fleet *scenario.Fleet, n int) int {
	device := fleet.Device(n)
	if !f.Covers(fleet) || !s.has(f, fleet, n, device) {
		return 0
	}
	return f.Times.At(draw(s.seed, device, f.Name, aspectTimes, 0))
}
