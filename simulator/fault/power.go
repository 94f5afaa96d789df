package fault

// powerCut takes the device's power away.
func (in *Injection) powerCut(h Hooks) Hooks {
	return in.at(h, Breaks, func(occurrence int) { h.Control.CutPower(in.fault.Name, in.length(occurrence)) })
}

// crash ends the agent, and leaves the rest of the device running.
func (in *Injection) crash(h Hooks) Hooks {
	return in.at(h, Breaks, func(occurrence int) { h.Control.Crash(in.fault.Name, in.length(occurrence)) })
}

// vanish takes the device's power away for good.
func (in *Injection) vanish(h Hooks) Hooks {
	return in.at(h, Breaks, func(int) { h.Control.Vanish(in.fault.Name) })
}
