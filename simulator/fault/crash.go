package fault

// crash ends the agent, and leaves the rest of the device running.
func (in *Injection) crash(g Gear) Gear {
	return in.at(g, Breaks, func(occurrence int) { g.Body.Crash(in.fault.Name, in.length(occurrence)) })
}
