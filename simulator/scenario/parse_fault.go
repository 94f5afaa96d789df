package scenario

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// maxTimes bounds how often one fault strikes one device.
const maxTimes = 1000

// refusalTime is how long the cause of a refusal lasts if the scenario does not
// say.
const refusalTime = 5 * time.Second

func readFaults(root *yamlform.Map, s *Scenario) {
	faults := names{}
	for _, m := range root.Maps("faults", 0, MaxFaults) {
		f := readFault(m, s)
		faults.add(m, "name", f.Name)
		s.Faults = append(s.Faults, f)
	}
}

func readFault(m *yamlform.Map, s *Scenario) Fault {
	f := Fault{Times: Range[int]{Lo: 1, Hi: 1}}
	m.Require("name", "at", "do")
	m.Text("name", &f.Name, word)
	m.Text("fleet", &f.Fleet, word)
	m.Text(ParamComponent, &f.Component, componentID)
	checkReach(m, &f, s)
	readKindAndPlace(m, &f)
	readDraw(m, &f, s)
	yamlform.Value(m, "times", &f.Times, ranged(1, maxTimes, yamlform.ParseInt))
	readParams(m, &f, s)
	return f
}

// checkReach finds the fleet and the component that the fault names.
func checkReach(m *yamlform.Map, f *Fault, s *Scenario) {
	var fleets []string
	var has []ota.ComponentVersion
	for i := range s.Fleets {
		fleet := &s.Fleets[i]
		fleets = append(fleets, fleet.Name)
		if f.Fleet == "" || f.Fleet == fleet.Name {
			has = append(has, fleet.Components...)
		}
	}
	if f.Fleet != "" && len(fleets) > 0 && s.Fleet(f.Fleet) == nil {
		m.Problemf("fleet", "there is no fleet %q%s", f.Fleet, yamlform.Suggest(f.Fleet, fleets))
	}
	if ids := componentIDs(has); f.Component != "" && len(ids) > 0 && !slices.Contains(ids, f.Component) {
		m.Problemf(ParamComponent, "no fleet in reach has the component %q%s", f.Component, yamlform.Suggest(f.Component, ids))
	}
}

// readKindAndPlace reads what happens and where, which must go together.
func readKindAndPlace(m *yamlform.Map, f *Fault) {
	var kinds []Kind
	var places []Place
	for _, row := range Kinds() {
		kinds = append(kinds, row.Kind)
		for _, p := range row.Places {
			if !slices.Contains(places, p) {
				places = append(places, p)
			}
		}
	}
	yamlform.Enum(m, "do", &f.Kind, kinds...)
	yamlform.Enum(m, "at", &f.At, places...)
	row, ok := f.Kind.Row()
	if ok && f.At != "" && !slices.Contains(row.Places, f.At) {
		m.Problemf("at", "%s cannot happen at %s; want one of %s", f.Kind, f.At, list(row.Places))
	}
	if f.At == AtConnect && f.Component != "" {
		m.Problemf(ParamComponent, "at %s a device is at work on no component", f.At)
	}
}

// list joins words for a message.
func list[T ~string](words []T) string {
	text := ""
	for i, w := range words {
		if i > 0 {
			text += ", "
		}
		text += string(w)
	}
	return text
}

// readDraw reads who has the fault.
func readDraw(m *yamlform.Map, f *Fault, s *Scenario) {
	yamlform.Value(m, "chance", &f.Chance, parseShare)
	yamlform.Value(m, "exactly", &f.Exactly, parseShare)
	switch chance, exactly := m.Has("chance"), m.Has("exactly"); {
	case chance && exactly:
		m.Problemf("exactly", "want either chance or exactly, not both")
	case !chance && !exactly:
		m.Problemf("chance", "is missing; give chance (drawn by each device) or exactly (a share of the fleet), such as 20%%")
	}
	if n := s.Reach(f); f.Exactly > 0 && n > 0 && f.Exactly.Of(n) == 0 {
		m.Problemf("exactly", "%s of %d devices is none; want a larger share", f.Exactly, n)
	}
}

// parseShare reads the percentage of devices that have a fault.
func parseShare(text string) (Percent, error) {
	p, err := parsePercent(text)
	if err == nil && p == 0 {
		err = errors.New("want a share above 0%, or the fault never happens")
	}
	return p, err
}

// readParams reads the parameters that the kind has, and reports those that it
// has not.
func readParams(m *yamlform.Map, f *Fault, s *Scenario) {
	row, ok := f.Kind.Row()
	for _, param := range []string{ParamComponent, ParamAfter, ParamFor, ParamStatus, ParamReason} {
		if m.Has(param) && ok && !row.Takes(param) {
			m.Problemf(param, "a fault of kind %s has no %s", f.Kind, param)
		}
	}
	readAfter(m, f)
	if f.Kind == Refuse {
		f.Reason, f.For = ota.ReasonBusy, Range[time.Duration]{Lo: refusalTime, Hi: refusalTime}
	}
	yamlform.Value(m, ParamFor, &f.For, ranged(0, MaxDuration, yamlform.ParseDuration))
	if f.Kind == HTTPStatus {
		f.Status = http.StatusServiceUnavailable
	}
	m.Int(ParamStatus, &f.Status, 400, 599)
	yamlform.Enum(m, ParamReason, &f.Reason, Reasons()...)
	checkReason(m, f, s)
}

// readAfter reads the moment within the step.
func readAfter(m *yamlform.Map, f *Fault) {
	yamlform.Value(m, ParamAfter, &f.After, parseAfter)
	switch delay := f.After.Delay.Hi > 0; {
	case f.After.ByShare() && f.At != "" && !f.At.hasExtent():
		m.Problemf(ParamAfter, "%s has no length of which to take a share; want a duration", f.At)
	case delay && f.Kind.onAnswers():
		m.Problemf(ParamAfter, "%s is counted in bytes; want a share, such as 50%%", f.Kind)
	case delay && f.At == AtReport:
		m.Problemf(ParamAfter, "at %s a fault strikes just before the report leaves; remove it", f.At)
	}
}

// checkReason holds that some plan asks for what the refusal is about: without
// a condition, no reading makes a device refuse.
func checkReason(m *yamlform.Map, f *Fault, s *Scenario) {
	asks := func(condition func(*Conditions) bool) bool {
		return len(s.Plans) == 0 || slices.ContainsFunc(s.Plans, func(p Plan) bool { return condition(&p.Conditions) })
	}
	switch {
	case f.Kind != Refuse:
	case f.Reason == ota.ReasonBattery && !asks(func(c *Conditions) bool { return c.MinBattery != nil && *c.MinBattery > 0 }):
		m.Problemf(ParamReason, "no plan asks for a battery, so none is refused for it; give a plan the condition min_battery")
	case f.Reason == ota.ReasonSignal && !asks(func(c *Conditions) bool { return c.MinRSSI != nil }):
		m.Problemf(ParamReason, "no plan asks for a signal, so none is refused for it; give a plan the condition min_rssi")
	}
}
