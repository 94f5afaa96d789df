package fault

// slow lets little pass over the line.
func (in *Injection) slow(g Gear) Gear {
	return in.at(g, Passes, func(occurrence int) { g.Body.ThrottleLine(in.fault.Rate, in.length(occurrence)) })
}
