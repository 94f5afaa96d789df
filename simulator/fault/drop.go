package fault

// drop cuts the device's connections.
func (in *Injection) drop(g Gear) Gear {
	return in.at(g, Breaks, func(occurrence int) { g.Body.CutLine(in.length(occurrence)) })
}
