package fault

// refuseAnswer lets the storage refuse: at once, or after a share of the bytes
// by breaking off and refusing what is asked next.
func (in *Injection) refuseAnswer(g Gear, status int) Gear {
	refuse := func(x *Exchange) {
		in.tell()
		x.Status = status
	}
	return in.onExchange(g, func(x *Exchange) {
		if in.disarm() {
			refuse(x)
			return
		}
		occurrence, ok := in.strike()
		switch {
		case !ok:
		case in.fault.After.ByShare():
			x.Moments = append(x.Moments, Moment{At: in.offset(occurrence, x.Length), Fire: in.arm, Spare: in.spare})
		default:
			refuse(x)
		}
	})
}
