package fault

// otherVersion is one that no plan is about.
const otherVersion = "0.0.0-other"

// lie is what a component says that it runs.
type lie struct {
	component string // empty for none
	told      bool
}

// wrongVersion lets a component say that it runs another version, from its
// activation until it is taken back.
func (in *Injection) wrongVersion(g Gear) Gear {
	operate, version := g.Operate, g.Version
	g.Operate = func(component string, op Operation) error {
		switch {
		case op == Activate && in.about(component) && !in.lies(component):
			if _, ok := in.strike(); ok {
				in.setLie(lie{component: component})
			}
		case op == Revert && in.lies(component):
			in.setLie(lie{})
		}
		return operate(component, op)
	}
	g.Version = func(component, runs string) string {
		if !in.lies(component) {
			return version(component, runs)
		}
		if in.heardFirst() {
			in.tell()
		}
		return otherVersion
	}
	return g
}

func (in *Injection) setLie(l lie) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.lie = l
}

func (in *Injection) lies(component string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.lie.component == component
}

// heardFirst reports whether a lie is heard for the first time.
func (in *Injection) heardFirst() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	first := !in.lie.told
	in.lie.told = true
	return first
}
