package fault

// wrongDigest lets the storage send another object.
func (in *Injection) wrongDigest(g Gear) Gear {
	return in.onExchange(g, func(x *Exchange) {
		if _, ok := in.strike(); ok {
			x.Foreign = true
			x.Moments = append(x.Moments, in.head())
		}
	})
}
