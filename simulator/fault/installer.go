package fault

import (
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// writeError fails a write of the new version: of a chunk while it is being
// downloaded, or of the whole while it is being staged.
func (in *Injection) writeError(h Hooks) Hooks {
	op := Stage
	if in.fault.At == scenario.At(ota.Downloading) {
		op = Write
	}
	comes := in.disarm
	if in.fault.After == (scenario.After{}) {
		comes = func() bool { _, ok := in.strike(); return ok }
	} else {
		h = in.when(h, Passes, func(int) { in.arm() })
	}
	operate := h.Operate
	h.Operate = func(component string, asked Operation) error {
		if asked == op && in.about(component) && comes() {
			in.report()
			return firmware.Failf(ota.WriteFailed, "the scenario says that the flash cannot be written")
		}
		return operate(component, asked)
	}
	return h
}

// silentMCU silences an MCU when the new version is brought to it, or
// when it is asked to run it.
func (in *Injection) silentMCU(h Hooks) Hooks {
	op := Stage
	if in.fault.At == scenario.At(ota.Upgrading) {
		op = Activate
	}
	operate := h.Operate
	h.Operate = func(component string, asked Operation) error {
		if asked == op && in.about(component) && in.isMCU(component) {
			if _, ok := in.strike(); ok {
				in.report()
				return firmware.Failf(ota.ComponentSilent, "the scenario says that the component does not answer")
			}
		}
		return operate(component, asked)
	}
	return h
}

func (in *Injection) isMCU(component string) bool {
	c := in.fleet.Component(component)
	return c != nil && c.Type == ota.MCU
}

// otherVersion is one that no plan is about.
const otherVersion = "0.0.0-other"

// lie is what a component says that it runs.
type lie struct {
	component string // empty for none
	given     bool
}

// wrongVersion makes a component say that it runs another version, from its
// activation until it is rolled back.
func (in *Injection) wrongVersion(h Hooks) Hooks {
	operate, version := h.Operate, h.Version
	h.Operate = func(component string, op Operation) error {
		switch {
		case op == Activate && in.about(component) && !in.wrong(component):
			if _, ok := in.strike(); ok {
				in.setLie(lie{component: component})
			}
		case op == Revert && in.wrong(component):
			in.setLie(lie{})
		}
		return operate(component, op)
	}
	h.Version = func(component, runs string) string {
		if !in.wrong(component) {
			return version(component, runs)
		}
		if in.heardFirst() {
			in.report()
		}
		return otherVersion
	}
	return h
}

func (in *Injection) setLie(l lie) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.lie = l
}

func (in *Injection) wrong(component string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.lie.component == component
}

// heardFirst reports whether a lie is heard for the first time.
func (in *Injection) heardFirst() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	first := !in.lie.given
	in.lie.given = true
	return first
}
