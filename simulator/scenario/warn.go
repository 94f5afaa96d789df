package scenario

import (
	"slices"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// warnCount notes a number of devices that is more than there are.
func warnCount(m *yamlform.Map, key string, c Comparison, devices int) {
	all := float64(devices)
	if c.Percent {
		all = 100
	}
	if c.Op == Above && c.Value >= all || (c.Op == AtLeast || c.Op == Equal) && c.Value > all {
		m.Warnf(key, "can never hold: there are %d such devices", devices)
	}
}

// having is the number of devices that have the component.
func (s *Scenario) having(component string) int {
	n := 0
	for i := range s.Fleets {
		if s.Fleets[i].Component(component) != nil {
			n += s.Fleets[i].Count
		}
	}
	return n
}

// warnSources notes versions that no device of the plan can run: neither from the
// factory nor by another plan. It is called when all plans have been read.
func warnSources(m *yamlform.Map, s *Scenario, p *Plan, c *Component) {
	var versions []string
	for i := range s.Fleets {
		if f := &s.Fleets[i]; f.Component(c.ID) != nil && p.Covers(f) {
			versions = append(versions, f.versionsOf(c.ID)...)
		}
	}
	if len(versions) == 0 {
		return
	}
	for i := range s.Plans {
		for _, making := range s.Plans[i].Making() {
			if other := making.Component(c.ID); other != nil && making.Product == p.Product {
				versions = append(versions, other.Target)
			}
		}
	}
	for _, source := range c.Sources {
		if !slices.Contains(versions, source) {
			m.Warnf("sources", "no device of the plan ever runs %s %q%s", c.ID, source, yamlform.Suggest(source, versions))
		}
	}
}

// warnPlace notes a place that no device can reach: beside starting and
// connecting, devices do nothing without a plan.
func warnPlace(m *yamlform.Map, f *Fault, s *Scenario) {
	if f.At == "" || f.At == AtBoot || f.At == AtConnect || f.At == AtPoll || len(s.Plans) == 0 {
		return
	}
	// Another plan, or a retry, may find a device at the target.
	once := len(s.Plans) == 1 && s.Plans[0].Repeat == nil && len(s.Events) == 0
	reached := slices.ContainsFunc(s.Fleets, func(fleet Fleet) bool {
		return f.Covers(&fleet) && slices.ContainsFunc(s.Plans, func(p Plan) bool { return f.reachedBy(&p, &fleet, once) })
	})
	if !reached {
		m.Warnf("at", "no device that can have the fault reaches %s: no plan takes one there", f.At)
	}
}

// reachedBy reports whether the plan can take devices of the fleet to the fault's
// place; once says that it comes once, and alone.
func (f *Fault) reachedBy(p *Plan, fleet *Fleet, once bool) bool {
	return p.Covers(fleet) && slices.ContainsFunc(p.Components, func(c Component) bool {
		has := fleet.Component(c.ID)
		if has == nil || f.Component != "" && f.Component != c.ID {
			return false
		}
		current := once && f.At == At(ota.NoUpdateRequired)
		return !current || slices.Contains(fleet.versionsOf(c.ID), c.Target)
	})
}

// causeOf is the kind of fault without which no device reports the code; false for
// codes that have other causes too.
func causeOf(code ota.Code) (kind Kind, only bool) {
	switch code {
	case ota.SignatureInvalid:
		return BadSignature, true
	case ota.KeyUntrusted:
		return WrongKey, true
	case ota.ComponentSilent:
		return SilentMCU, true
	}
	return "", false
}

// warnCode notes a code that no fault makes devices of the fleet report. Without
// plans of its own, a scenario says nothing of the packages that come.
func warnCode(m *yamlform.Map, p *Pattern, s *Scenario, fleet string) {
	kind, only := causeOf(p.Code)
	if !only || len(s.Plans) == 0 {
		return
	}
	strikes := func(f Fault) bool {
		return f.Kind == kind && (f.Component == "" || p.Component == "" || f.Component == p.Component) &&
			slices.ContainsFunc(s.Fleets, func(devices Fleet) bool {
				return (fleet == "" || devices.Name == fleet) && f.Covers(&devices)
			})
	}
	if !slices.ContainsFunc(s.Faults, strikes) {
		m.Warnf(ParamCode, "no device in reach reports %s: it takes a fault that does %s", p.Code, kind)
	}
}
