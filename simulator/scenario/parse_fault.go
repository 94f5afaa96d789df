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

// maxRetryAfter bounds for how long an answer asks to wait.
const maxRetryAfter = time.Hour

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
	m.Text("name", &f.Name, faultName)
	m.Text(ParamFleet, &f.Fleet, word)
	m.Text(ParamComponent, &f.Component, componentID)
	s.checkFleet(m, f.Fleet)
	s.checkComponent(m, f.Fleet, f.Component)
	readKindAndPlace(m, &f)
	checkReach(m, &f, s)
	warnPlace(m, &f, s)
	readDraw(m, &f, s)
	readParams(m, &f)
	checkReason(m, &f, s)
	checkReleases(m, &f, s)
	return f
}

// allFaults is the word for all faults in expect.faults.
const allFaults = "fired"

func faultName(text string) error {
	if text == allFaults {
		return errors.New(`"fired" stands for all faults in expect.faults; want another name`)
	}
	return word(text)
}

// checkComponent reports a component that no device of the fleet has; an empty
// fleet is all devices.
func (s *Scenario) checkComponent(m *yamlform.Map, fleet, id string) {
	var has []Installed
	for i := range s.Fleets {
		if f := &s.Fleets[i]; fleet == "" || fleet == f.Name {
			has = append(has, f.Components...)
		}
	}
	if ids := componentIDs(has); id != "" && len(ids) > 0 && !slices.Contains(ids, id) {
		m.Problemf(ParamComponent, "no fleet in reach has the component %q%s", id, yamlform.Suggest(id, ids))
	}
}

// readKindAndPlace reads what happens and where, which must go together.
func readKindAndPlace(m *yamlform.Map, f *Fault) {
	var kinds []Kind
	for _, row := range Kinds() {
		kinds = append(kinds, row.Kind)
	}
	yamlform.Enum(m, "do", &f.Kind, kinds...)
	yamlform.Enum(m, "at", &f.At, Places()...)
	row, ok := f.Kind.Row()
	if ok && f.At != "" && !slices.Contains(row.Places, f.At) {
		m.Problemf("at", "%s cannot happen at %s; want one of %s", f.Kind, f.At, list(row.Places))
	}
	switch {
	case f.Component == "":
	case f.At == AtConnect:
		m.Problemf(ParamComponent, "at %s a device is at work on no component", f.At)
	case f.OfPlatform():
		m.Problemf(ParamComponent, "a request at %s is about no component", f.At)
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

// checkReach reports a fault that no device can have.
func checkReach(m *yamlform.Map, f *Fault, s *Scenario) {
	if fleet := s.Fleet(f.Fleet); fleet != nil && fleet.Behind != "" && f.onLine() {
		m.Problemf(ParamFleet, "devices of %q have no line of their own; name %q, which speaks for them", fleet.Name,
			fleet.Behind)
	}
	if f.Kind != SilentMCU {
		return
	}
	has := func(fleet Fleet) bool {
		return f.Covers(&fleet) && slices.ContainsFunc(fleet.Components, func(c Installed) bool {
			return c.Type == ota.MCU && (f.Component == "" || f.Component == c.ID)
		})
	}
	if len(s.Fleets) > 0 && !slices.ContainsFunc(s.Fleets, has) {
		m.Problemf("do", "no device in reach has such a component of type mcu")
	}
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
		m.Problemf("exactly", "%s of %s is none; want a larger share", f.Exactly, ota.Counted(n, "device"))
	}
}

// readParams reads the parameters that the kind has, and reports those that it
// has not.
func readParams(m *yamlform.Map, f *Fault) {
	row, ok := f.Kind.Row()
	for _, param := range params() {
		switch {
		case !ok:
		case m.Has(param) && !row.Takes(param):
			m.Problemf(param, "a fault of kind %s has no %s", f.Kind, param)
		case !m.Has(param) && slices.Contains(row.Needs, param):
			m.Problemf(param, "is missing; a fault of kind %s needs it", f.Kind)
		}
	}
	yamlform.Value(m, ParamTimes, &f.Times, ranged(1, maxTimes, yamlform.ParseInt))
	readAfter(m, f)
	readExtent(m, f, slices.Contains(row.Needs, ParamFor))
	if f.Kind == HTTPStatus {
		f.Status = http.StatusServiceUnavailable
	}
	m.Int(ParamStatus, &f.Status, 400, 599)
	readRetryAfter(m, f)
	if f.Kind == Refuse {
		f.Reason = ota.ReasonBusy
	}
	yamlform.Enum(m, ParamReason, &f.Reason, Reasons()...)
}

// readRetryAfter reads for how long an answer asks for patience.
func readRetryAfter(m *yamlform.Map, f *Fault) {
	m.Duration(ParamRetryAfter, &f.RetryAfter, time.Second, maxRetryAfter)
	switch {
	case f.RetryAfter == 0:
	case f.At == At(ota.Downloading):
		m.Problemf(ParamRetryAfter, "at %s the storage answers, and its words are not heeded; want at: poll or report", f.At)
	case f.RetryAfter%time.Second != 0:
		m.Problemf(ParamRetryAfter, "%s: an answer asks for whole seconds", f.RetryAfter)
	}
}

// params are all parameters of faults.
func params() []string {
	return []string{ParamComponent, ParamTimes, ParamAfter, ParamFor, ParamBy, ParamRate, ParamStatus, ParamRetryAfter,
		ParamReason}
}

// readExtent reads how long and how much.
func readExtent(m *yamlform.Map, f *Fault, lasting bool) {
	least := time.Duration(0)
	if lasting {
		least = shortest
	}
	if f.Kind == Refuse {
		f.For = Range[time.Duration]{Lo: refusalTime, Hi: refusalTime}
	}
	yamlform.Value(m, ParamFor, &f.For, ranged(least, MaxDuration, yamlform.ParseDuration))
	lo, hi := shortest, maxLatency
	if f.Kind == ClockSkew {
		lo, hi = -MaxSkew, MaxSkew
	}
	yamlform.Value(m, ParamBy, &f.By, ranged(lo, hi, yamlform.ParseDuration))
	yamlform.Value(m, ParamRate, &f.Rate, parseRateLeft)
}

// parseRateLeft reads what a slow line carries.
func parseRateLeft(text string) (int64, error) {
	rate, err := yamlform.ParseRate(text)
	if err == nil && rate == 0 {
		err = errors.New("want a rate above 0, such as 16KiB/s; half_open is a line that carries nothing")
	}
	return rate, err
}

// readAfter reads the moment within the step.
func readAfter(m *yamlform.Map, f *Fault) {
	yamlform.Value(m, ParamAfter, &f.After, parseAfter)
	switch delay := f.After.Delay.Hi > 0; {
	case f.After.ByShare() && f.At != "" && !f.At.hasExtent():
		m.Problemf(ParamAfter, "%s has no length of which to take a share; want a duration", f.At)
	case delay && f.Kind.countsBytes(f.At):
		m.Problemf(ParamAfter, "%s is counted in bytes; want a share, such as 50%%", f.Kind)
	case delay && f.At == AtReport:
		m.Problemf(ParamAfter, "at %s a fault strikes just before the report leaves; remove it", f.At)
	case delay && f.At == AtPoll:
		m.Problemf(ParamAfter, "at %s a fault strikes just before the poll leaves; remove it", f.At)
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
	case f.Reason == ota.ReasonBattery &&
		!asks(func(c *Conditions) bool { return c.MinBattery != nil && *c.MinBattery > 0 }):
		m.Problemf(ParamReason,
			"no plan asks for a battery, so none is refused for it; give a plan the condition min_battery")
	case f.Reason == ota.ReasonSignal && !asks(func(c *Conditions) bool { return c.MinRSSI != nil }):
		m.Problemf(ParamReason, "no plan asks for a signal, so none is refused for it; give a plan the condition min_rssi")
	}
}

// checkReleases holds that some device can be offered less than it has run: by
// its factory, or by an earlier plan.
func checkReleases(m *yamlform.Map, f *Fault, s *Scenario) {
	if f.Kind != Downgrade || len(s.Fleets) == 0 || len(s.Plans) > 1 {
		return
	}
	ran := func(fleet Fleet) bool {
		return f.Covers(&fleet) && slices.ContainsFunc(fleet.Components, func(c Installed) bool {
			return c.Release > 0 && (f.Component == "" || f.Component == c.ID)
		})
	}
	if !slices.ContainsFunc(s.Fleets, ran) {
		m.Problemf("do", "no device in reach has run a release above 0, so none is older; give a component of the fleet a "+
			"release")
	}
}
