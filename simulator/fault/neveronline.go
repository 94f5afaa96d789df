package fault

// neverOnline loses the line before the device has ever used it.
func (in *Injection) neverOnline(g Gear) Gear {
	if _, ok := in.strike(); ok {
		in.tell()
		g.Body.LoseLine()
	}
	return g
}
