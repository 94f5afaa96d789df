package scenario

import (
	"fmt"
	"maps"
	"slices"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// readRules reads expect.never and expect.always.
func readRules(m *yamlform.Map, s *Scenario) {
	rules := names{}
	for _, key := range []string{"never", "always"} {
		for _, rm := range m.Maps(key, 0, MaxRules) {
			r := readRule(rm, s, key == "never")
			if rm.Sound() {
				rules.add(rm, "name", r.Name)
			}
			s.Expect.Rules = append(s.Expect.Rules, r)
		}
	}
}

func readRule(m *yamlform.Map, s *Scenario, never bool) Rule {
	r := Rule{Never: never}
	m.Text("name", &r.Name, yamlform.Line)
	m.Text(ParamFleet, &r.Fleet, word)
	s.checkFleet(m, r.Fleet)
	r.Match = readPattern(m, s, r.Fleet)
	if !never { // what cannot happen may still be forbidden
		warnCode(m, &r.Match, s, r.Fleet)
	}
	r.After = readOptionalPattern(m, "after", s, r.Fleet)
	r.Then = readOptionalPattern(m, "then", s, r.Fleet)
	m.Duration("within", &r.Within, shortest, MaxDuration)
	switch {
	case never && m.Has("then"):
		m.Problemf("then", "is for rules of always; what never happens is followed by nothing")
	case !never && m.Given() && !m.Has("then"):
		m.Problemf("then", "is missing; it says what always follows, such as then: {event: connected}")
	}
	switch {
	case never && m.Has("within"):
		m.Problemf("within", "is for rules of always")
	case s.Duration > 0 && r.Within > s.Duration:
		m.Problemf("within", "is longer than the run of %s", yamlform.FormatDuration(s.Duration))
	}
	if r.Name == "" {
		r.Name = r.words()
	}
	return r
}

func readOptionalPattern(m *yamlform.Map, key string, s *Scenario, fleet string) *Pattern {
	below := m.Map(key)
	p := readPattern(below, s, fleet)
	warnCode(below, &p, s, fleet)
	if !below.Given() {
		return nil
	}
	return &p
}

// readPattern reads the keys of a pattern for devices of the fleet, and reports
// what no event can be.
func readPattern(m *yamlform.Map, s *Scenario, fleet string) Pattern {
	var p Pattern
	m.Require("event")
	var kinds []EventKind
	for _, row := range EventKinds() {
		kinds = append(kinds, row.Kind)
	}
	yamlform.Enum(m, "event", &p.Event, kinds...)
	m.Text(ParamPlan, &p.Plan, planID)
	m.Text(ParamComponent, &p.Component, componentID)
	m.Text(ParamFault, &p.Fault, word)
	yamlform.Value(m, ParamStatus, &p.Status, parseStatus)
	yamlform.Enum(m, ParamCode, &p.Code, slices.Sorted(maps.Keys(ota.Codes()))...)
	if row, known := p.Event.Row(); known {
		for _, param := range []string{ParamPlan, ParamComponent, ParamFault, ParamStatus, ParamCode} {
			if m.Has(param) && !row.Takes(param) {
				m.Problemf(param, "the event %s has no %s", p.Event, param)
			}
		}
	}
	if p.Code != "" && p.Status != nil && !p.Status.Row().Failed {
		m.Problemf(ParamCode, "a report of %s is no failure, and has no code", p.Status)
	}
	s.checkPlan(m, p.Plan)
	s.checkComponent(m, fleet, p.Component)
	checkPatternPlan(m, &p, s, fleet)
	checkPatternFault(m, &p, s, fleet)
	return p
}

func parseStatus(text string) (*ota.Status, error) {
	var words []string
	for _, place := range statusPlaces() {
		if string(place) == text {
			status, _ := place.Status()
			return &status, nil
		}
		words = append(words, string(place))
	}
	return nil, fmt.Errorf("%q is not a status that a device reports%s", text, yamlform.Suggest(text, words))
}

// checkPatternPlan holds that the plan is for the fleet and the component.
func checkPatternPlan(m *yamlform.Map, p *Pattern, s *Scenario, fleet string) {
	plan, devices := s.Plan(p.Plan), s.Fleet(fleet)
	switch {
	case p.Plan == "" || plan == nil:
	case devices != nil && !plan.Covers(devices):
		m.Problemf(ParamPlan, "%q is not for the devices of %q", plan.Name, fleet)
	case p.Component != "" && plan.Component(p.Component) == nil:
		m.Problemf(ParamComponent, "the plan %q has no component %q", plan.Name, p.Component)
	}
}

// checkPatternFault holds that there is such a fault, which can strike the
// fleet.
func checkPatternFault(m *yamlform.Map, p *Pattern, s *Scenario, fleet string) {
	if p.Fault == "" {
		return
	}
	var faults []string
	for i := range s.Faults {
		f := &s.Faults[i]
		if f.Name != p.Fault {
			faults = append(faults, f.Name)
			continue
		}
		if devices := s.Fleet(fleet); devices != nil && !f.Covers(devices) {
			m.Problemf(ParamFault, "%q strikes no device of %q", f.Name, fleet)
		}
		return
	}
	m.Problemf(ParamFault, "there is no fault %q%s", p.Fault, yamlform.Suggest(p.Fault, faults))
}
