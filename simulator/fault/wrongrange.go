package fault

// wrongRange lets the storage begin its answer too late, somewhere in the range
// that is asked for. There is no other range in a single byte.
func (in *Injection) wrongRange(g Gear) Gear {
	return in.onExchange(g, func(x *Exchange) {
		if x.Length < 2 {
			return
		}
		if occurrence, ok := in.strike(); ok {
			x.Shift = 1 + int64(in.draw(aspectByte, occurrence)*float64(x.Length-1))
			x.Moments = append(x.Moments, in.head())
		}
	})
}
