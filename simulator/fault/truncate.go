package fault

// truncate ends a download's answer in good order before all of it has come.
func (in *Injection) truncate(g Gear) Gear { return in.onBody(g, Ends) }
