package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Dialect is the protocol that devices speak with their platform. The zero value is
// Native.
type Dialect string

// The dialects.
const (
	Native    Dialect = "native"    // the project's own, over MQTT 5
	HawkBit   Dialect = "hawkbit"   // hawkBit's Direct Device Integration API, over HTTP
	QuecThing Dialect = "quecthing" // the device SDK's frames, over MQTT 3.1.1
)

// ParseDialect finds the dialect of a name; empty means Native.
func ParseDialect(name string, among ...Dialect) (Dialect, error) {
	d := Dialect(name)
	if name == "" {
		d = Native
	}
	if slices.Contains(among, d) {
		return d, nil
	}
	var names []string
	for _, one := range among {
		names = append(names, string(one))
	}
	return "", fmt.Errorf("platform %q: want %s", name, strings.Join(names, " or "))
}

// String is the dialect's name.
func (d Dialect) String() string {
	if d == "" {
		return string(Native)
	}
	return string(d)
}

// IsNative reports whether it is the project's own, which alone carries reports as the
// device has made them: of the others' it is known that the platform has taken one when
// the session says so.
func (d Dialect) IsNative() bool { return d == "" || d == Native }

// Check joins everything that a scenario needs and the dialect cannot say, by the key
// that asks for it.
func (d Dialect) Check(s *scenario.Scenario) error {
	switch d {
	case HawkBit:
		return checkHawkBit(s)
	case Native, "":
		return checkNative(s)
	case QuecThing:
		return checkQuecThing(s)
	}
	return nil
}

// checkNative refuses what only a platform does that is polled.
func checkNative(s *scenario.Scenario) error {
	var problems []error
	for i := range s.Faults {
		if f := &s.Faults[i]; f.OfPlatform() {
			problems = append(problems, fmt.Errorf("faults.%s (%s at %s): devices of the native platform do not poll: run "+
				"this scenario with --platform %s", f.Name, f.Kind, f.At, HawkBit))
		}
	}
	return errors.Join(problems...)
}

// unsaid refuses a key of a scenario for which a dialect has no words.
func unsaid(key, why string) error {
	return fmt.Errorf("%s: %s: run this scenario with --platform %s", key, why, Native)
}

// checkOnce refuses a plan that comes again at a platform that gives plans ids of its
// own: which round a device is at could not be told.
func checkOnce(p *scenario.Plan, dialect string) error {
	if p.Repeat == nil {
		return nil
	}
	return unsaid("plans."+p.Name+".repeat", dialect+" does not carry the names of plans, by which rounds are told apart")
}

// checkAlike refuses plans for a fleet that ask different things of a device on which,
// as its dialect does not carry them, they have to be configured. differing is the key of
// what another plan than the first has otherwise; empty for nothing.
func checkAlike(s *scenario.Scenario, f *scenario.Fleet, dialect string,
	differing func(first, other *scenario.Plan) string) error {
	plans := plansFor(s, f)
	for i := 1; i < len(plans); i++ {
		if key := differing(plans[0], plans[i]); key != "" {
			return unsaid("plans."+plans[i].Name+"."+key, fmt.Sprintf("%s does not carry it, and devices of fleet %s "+
				"can only be configured with what plan %s has", dialect, f.Name, plans[0].Name))
		}
	}
	return nil
}

// configure gives the machines of a fleet what the plans for it ask for, where the
// dialect does not carry that.
func (d Dialect) configure(c *agent.Config, s *scenario.Scenario, f *scenario.Fleet) {
	if d == QuecThing {
		c.Platform = &agent.PlatformTrust{}
	}
	if plans := plansFor(s, f); d == HawkBit && len(plans) > 0 {
		c.Conditions.MinBattery, c.Conditions.MinRSSI = plans[0].Conditions.MinBattery, plans[0].Conditions.MinRSSI
	}
}

// OnFailure is what a failed component means for the others on devices of a fleet whose
// dialect does not carry it: what the plans for the fleet say.
func OnFailure(s *scenario.Scenario, f *scenario.Fleet) ota.OnFailure {
	if plans := plansFor(s, f); len(plans) > 0 {
		return plans[0].OnFailure
	}
	return ota.Stop
}

func plansFor(s *scenario.Scenario, f *scenario.Fleet) []*scenario.Plan {
	var plans []*scenario.Plan
	for i := range s.Plans {
		if s.Plans[i].Covers(f) {
			plans = append(plans, &s.Plans[i])
		}
	}
	return plans
}

// PlanName is the name of the scenario's plan that a device of a fleet was given under
// an id of the platform's own: the first one with the same targets. It is the id for a
// plan that is not the scenario's.
func PlanName(s *scenario.Scenario, f *scenario.Fleet, given *ota.Plan) string {
	for _, p := range plansFor(s, f) {
		same := len(p.Components) == len(given.Components)
		for i := range given.Components {
			c := p.Component(given.Components[i].ID)
			same = same && c != nil && c.Target == given.Components[i].Target
		}
		if same {
			return p.Name
		}
	}
	return given.ID
}
