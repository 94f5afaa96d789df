package fault

// powerCut takes the device's power away.
func (in *Injection) powerCut(g Gear) Gear {
	return in.at(g, Breaks, func(occurrence int) { g.Body.CutPower(in.fault.Name, in.length(occurrence)) })
}
