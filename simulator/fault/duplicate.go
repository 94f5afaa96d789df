package fault

// duplicate lets a message arrive twice.
func (in *Injection) duplicate(g Gear) Gear {
	return in.onMessage(g, func(_ int, send func()) {
		in.tell()
		send()
		send()
	})
}
