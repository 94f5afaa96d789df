package fault

// corrupt flips one bit of a download's answer.
func (in *Injection) corrupt(g Gear) Gear { return in.onBody(g, Flips) }
