package fault

// reset lets the device's connections be reset.
func (in *Injection) reset(g Gear) Gear {
	return in.at(g, Breaks, func(int) { g.Body.ResetLine() })
}
