package fault

// latency lets everything on the line take longer.
func (in *Injection) latency(g Gear) Gear {
	return in.at(g, Passes, func(occurrence int) { g.Body.DelayLine(in.extent(occurrence), in.length(occurrence)) })
}
