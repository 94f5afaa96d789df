package fault

// corrupt flips one bit of a download's answer.
func (in *Injection) corrupt(g Gear) Gear {
	return in.onExchange(g, func(x *Exchange) {
		if occurrence, ok := in.strike(); ok {
			x.Moments = append(x.Moments, Moment{At: in.spot(occurrence, x.Length), Turn: Flips, Fire: in.tell, Spare: in.spare})
		}
	})
}

// spot is the byte that is wrong: where the scenario says, else anywhere.
func (in *Injection) spot(occurrence int, length int64) int64 {
	if in.fault.After.ByShare() {
		return in.offset(occurrence, length)
	}
	return int64(in.draw(aspectByte, occurrence) * float64(length))
}
