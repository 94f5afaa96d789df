package fault

// refuseAnswer lets the storage refuse: at once, or after a share of the bytes
// by breaking off and refusing what is asked next, once or for a time.
func (in *Injection) refuseAnswer(g Gear, status int) Gear {
	body := g.Body
	begin := func(occurrence int) {
		if in.length(occurrence) > 0 {
			in.lasts(body, occurrence)
		} else {
			in.arm()
		}
	}
	refuses := func() bool {
		if in.disarm() {
			in.tell()
			return true
		}
		return in.suffers()
	}
	return in.onExchange(g, func(x *Exchange) {
		if refuses() {
			x.Status = status
			return
		}
		occurrence, ok := in.strike()
		switch {
		case !ok:
		case in.fault.After.ByShare():
			x.Moments = append(x.Moments, Moment{At: in.offset(occurrence, x.Length), Fire: func() { begin(occurrence) }, Spare: in.spare})
		default:
			begin(occurrence)
			refuses()
			x.Status = status
		}
	})
}
