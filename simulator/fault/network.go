package fault

// drop cuts the device's connections.
func (in *Injection) drop(h Hooks) Hooks {
	return in.at(h, Breaks, func(occurrence int) { h.Control.CutLink(in.length(occurrence)) })
}

// reset resets the device's connections.
func (in *Injection) reset(h Hooks) Hooks {
	return in.at(h, Breaks, func(int) { h.Control.ResetLink() })
}

// halfOpen silences the device's connections, which stay up.
func (in *Injection) halfOpen(h Hooks) Hooks {
	return in.at(h, Passes, func(occurrence int) { h.Control.FreezeLink(in.length(occurrence)) })
}

// latency delays everything on the link.
func (in *Injection) latency(h Hooks) Hooks {
	return in.at(h, Passes, func(occurrence int) { h.Control.DelayLink(in.extent(occurrence), in.length(occurrence)) })
}

// slow limits the link's bandwidth.
func (in *Injection) slow(h Hooks) Hooks {
	return in.at(h, Passes, func(occurrence int) { h.Control.ThrottleLink(in.fault.Rate, in.length(occurrence)) })
}

// neverOnline loses the link before the device has ever used it.
func (in *Injection) neverOnline(h Hooks) Hooks {
	if _, ok := in.strike(); ok {
		in.report()
		h.Control.LoseLink()
	}
	return h
}
