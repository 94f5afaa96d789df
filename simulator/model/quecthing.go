package model

import (
	"errors"
	"fmt"

	"otafleet/internal/ota"
	"otafleet/internal/quecthing"
	"otafleet/simulator/scenario"
)

// checkQuecThing refuses what quecthing's wire has no words for.
func checkQuecThing(s *scenario.Scenario) error {
	var problems []error
	for i := range s.Plans {
		problems = append(problems, checkQuecThingPlan(&s.Plans[i]), checkOnce(&s.Plans[i], "quecthing"))
	}
	modules := map[string]string{} // by product
	for i := range s.Fleets {
		problems = append(problems, checkQuecThingFleet(s, &s.Fleets[i], modules))
	}
	for i := range s.Faults {
		problems = append(problems, checkQuecThingFault(&s.Faults[i]))
	}
	return errors.Join(problems...)
}

func checkQuecThingPlan(p *scenario.Plan) error {
	key := "plans." + p.Name
	if p.OnFailure == ota.Revert && len(p.Components) > 1 {
		return unsaid(key+".on_failure", "quecthing has no words for the roll-back of another component")
	}
	for i := range p.Components {
		c := &p.Components[i]
		key := key + ".components." + c.ID
		switch {
		case c.Package == ota.Delta:
			return unsaid(key+".package", "quecthing carries no signed manifest, which says what a delta starts from")
		case c.Encoding != ota.Plain:
			return unsaid(key+".encoding", "quecthing carries no signed manifest, which says how a file is compressed")
		case len(c.Hardware) > 0:
			return unsaid(key+".hardware", "quecthing carries no signed manifest, which says what a package fits")
		case c.Release > 0 || c.AllowDowngrade:
			return unsaid(key+".release", "quecthing carries no signed manifest, which has the release")
		}
	}
	return nil
}

// checkQuecThingFleet refuses devices that are no modules with MCU components, and
// plans that ask different things of a device on which they would have to be
// configured. modules has the module component of each product so far.
func checkQuecThingFleet(s *scenario.Scenario, f *scenario.Fleet, modules map[string]string) error {
	key := "fleets." + f.Name
	if f.Behind != "" {
		return unsaid(key+".behind", "quecthing's sub-devices are not published")
	}
	var list []quecthing.Version
	for i := range f.Components {
		c := &f.Components[i]
		key := key + ".components." + c.ID
		known := modules[f.Product]
		var err error
		switch {
		case c.Release > 0:
			return unsaid(key+".release", "quecthing carries no signed manifest, which has the release")
		case c.Type != ota.Module:
			list, err = quecthing.SetVersion(list, c.ID, c.Version)
		case known != "" && known != c.ID:
			return unsaid(key, fmt.Sprintf("a quecthing device is one module, and product %s has the module %s already",
				f.Product, known))
		default:
			modules[f.Product] = c.ID
		}
		if err != nil {
			return unsaid(key, err.Error())
		}
	}
	return checkAlike(s, f, "quecthing", func(first, other *scenario.Plan) string {
		if first.OnFailure != other.OnFailure {
			return "on_failure"
		}
		return ""
	})
}

func checkQuecThingFault(f *scenario.Fault) error {
	key := fmt.Sprintf("faults.%s (%s at %s)", f.Name, f.Kind, f.At)
	if f.OfPlatform() {
		return unsaid(key, "quecthing's devices do not poll")
	}
	switch f.Kind {
	case scenario.BadSignature, scenario.WrongKey, scenario.Downgrade:
		return unsaid(key, "quecthing carries no signed manifest")
	case scenario.DuplicateMessage, scenario.ReorderMessages, scenario.DelayMessage:
		return unsaid(key, "quecthing has no message for each report that could come twice, late or out of turn")
	}
	return nil
}
