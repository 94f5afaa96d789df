package fault

// halfOpen silences the device's connections, which stay up.
func (in *Injection) halfOpen(g Gear) Gear {
	return in.at(g, Passes, func(occurrence int) { g.Body.FreezeLine(in.length(occurrence)) })
}
