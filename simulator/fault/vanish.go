package fault

// vanish takes the device's power away for good.
func (in *Injection) vanish(g Gear) Gear {
	return in.at(g, Breaks, func(int) { g.Body.Vanish(in.fault.Name) })
}
