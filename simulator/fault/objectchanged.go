package fault

// objectChanged breaks an answer off, and lets the next one be of an object
// that has taken the place of the first. The one after that is of the first
// object again.
func (in *Injection) objectChanged(g Gear) Gear {
	return in.onExchange(g, func(x *Exchange) {
		if in.disarm() {
			x.Changed, x.Foreign = true, true
			x.Moments = append(x.Moments, Moment{At: AtHead, Turn: Passes, Fire: in.tell, Spare: in.arm})
			return
		}
		if occurrence, ok := in.strike(); ok {
			x.Moments = append(x.Moments, Moment{At: in.spot(occurrence, x.Length), Fire: in.arm, Spare: in.spare})
		}
	})
}
