package fault

// stall lets a download's answer pause.
func (in *Injection) stall(g Gear) Gear { return in.onBody(g, Stalls) }
