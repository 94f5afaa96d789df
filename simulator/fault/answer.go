package fault

// refuseAnswer lets the storage refuse: at once, or after a share of the bytes
// by breaking off and refusing what is asked next.
func (in *Injection) refuseAnswer(g Gear, status int) Gear {
	if in.fault.After.ByShare() {
		refuse := false
		g = in.onTransfer(g, func(int) { refuse = true })
		return in.onExchange(g, func(x *Exchange) {
			if refuse {
				refuse, x.Status = false, status
			}
		})
	}
	return in.onExchange(g, func(x *Exchange) {
		if _, ok := in.strike(); ok {
			in.tell()
			x.Status = status
		}
	})
}
