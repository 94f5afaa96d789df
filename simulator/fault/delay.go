package fault

// delayMessage lets a message arrive later. What follows it overtakes it.
func (in *Injection) delayMessage(g Gear) Gear {
	return in.onMessage(g, func(occurrence int, send func()) {
		in.tell()
		g.Body.After(in.length(occurrence), send)
	})
}
