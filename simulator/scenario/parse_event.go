package scenario

import (
	"cmp"
	"slices"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// placed is an event and where it stands in the document.
type placed struct {
	*Event
	m *yamlform.Map
}

func readEvents(root *yamlform.Map, s *Scenario) {
	maps := root.Maps("events", 0, MaxEvents)
	if len(maps) > 0 {
		s.Events = make([]Event, len(maps))
	}
	all := make([]placed, len(maps))
	for i, m := range maps {
		s.Events[i] = readEvent(m, s)
		all[i] = placed{&s.Events[i], m}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.At, b.At) })
	checkOverlaps(all)
	checkOutages(all)
	for i := range s.Plans {
		checkSpan(all, &s.Plans[i])
	}
}

func readEvent(m *yamlform.Map, s *Scenario) Event {
	var e Event
	m.Require("at", "do")
	m.Duration("at", &e.At, 0, MaxDuration)
	if s.Duration > 0 && e.At >= s.Duration {
		m.Problemf("at", "is when the run is over, after %s", yamlform.FormatDuration(s.Duration))
	}
	var actions []Action
	for _, row := range Actions() {
		actions = append(actions, row.Action)
	}
	yamlform.Enum(m, "do", &e.Do, actions...)
	m.Duration(ParamFor, &e.For, shortest, MaxDuration)
	m.Text(ParamFleet, &e.Fleet, word)
	m.Text(ParamPlan, &e.Plan, planID)
	checkParams(m, &e)
	s.checkFleet(m, e.Fleet)
	s.checkPlan(m, e.Plan)
	if f := s.Fleet(e.Fleet); f != nil && f.Behind != "" {
		m.Problemf(ParamFleet, "devices of %q have no line of their own; name %q, which speaks for them", f.Name, f.Behind)
	}
	if p := s.Plan(e.Plan); e.Do == RetryPlan && p != nil && p.Mode == ota.Manual {
		m.Problemf(ParamPlan, "%q is manual, so the user of each device must ask for another try", p.Name)
	}
	return e
}

// shortest is the least time for which something that must last can last.
const shortest = time.Millisecond

// checkParams holds what is said of an event against what its action takes.
func checkParams(m *yamlform.Map, e *Event) {
	row, known := e.Do.Row()
	if !known {
		return
	}
	for _, param := range []string{ParamFor, ParamFleet, ParamPlan} {
		switch {
		case m.Has(param) && !row.Takes(param):
			m.Problemf(param, "%s has no %s", e.Do, param)
		case !m.Has(param) && slices.Contains(row.Needs, param):
			m.Problemf(param, "is missing; %s needs it", e.Do)
		}
	}
}

// checkFleet reports a fleet that there is not.
func (s *Scenario) checkFleet(m *yamlform.Map, name string) {
	if name != "" && len(s.Fleets) > 0 && s.Fleet(name) == nil {
		m.Problemf(ParamFleet, "there is no fleet %q%s", name, yamlform.Suggest(name, s.fleetNames()))
	}
}

// checkPlan reports a plan that there is not.
func (s *Scenario) checkPlan(m *yamlform.Map, name string) {
	if name == "" || s.Plan(name) != nil {
		return
	}
	var plans []string
	for i := range s.Plans {
		plans = append(plans, s.Plans[i].Name)
	}
	m.Problemf(ParamPlan, "there is no plan %q%s", name, yamlform.Suggest(name, plans))
}

// checkOverlaps reports what goes down while it is down: it would not be clear
// when it comes back.
func checkOverlaps(inOrder []placed) {
	lasting := []Action{KillBroker, KillStore, KillPlatform, Partition}
	for i, first := range inOrder {
		for _, next := range inOrder[i+1:] {
			ends := first.At + first.For
			sameReach := first.Fleet == next.Fleet || first.Fleet == "" || next.Fleet == ""
			if first.Do == next.Do && slices.Contains(lasting, first.Do) && sameReach && next.At < ends {
				next.m.Problemf("at", "the %s from %s has not ended by then; it lasts until %s", first.Do,
					yamlform.FormatDuration(first.At), yamlform.FormatDuration(ends))
			}
		}
	}
}

// checkOutages reports what is asked of the platform while it is dead.
func checkOutages(inOrder []placed) {
	for _, outage := range inOrder {
		if outage.Do != KillPlatform {
			continue
		}
		dead := func(at time.Duration) bool { return at >= outage.At && at < outage.At+outage.For }
		for _, e := range inOrder {
			ends := yamlform.FormatDuration(outage.At + outage.For)
			switch row, _ := e.Do.Row(); {
			case !row.Takes(ParamPlan):
			case dead(e.At):
				e.m.Problemf("at", "the platform is dead then, until %s", ends)
			case e.For > 0 && dead(e.At+e.For):
				e.m.Problemf(ParamFor, "the platform is dead when the plan is to be resumed, until %s", ends)
			}
		}
	}
}

// checkSpan plays the events of a plan and reports those which the platform
// would refuse.
func checkSpan(inOrder []placed, p *Plan) {
	var span planSpan
	name := "" // of a repeated plan, the round's
	for _, e := range inOrder {
		if e.Plan == "" || e.Plan != p.Name {
			continue
		}
		if now := p.NameAt(e.At); now != name {
			span, name = planSpan{}, now
		}
		switch {
		case p.NameAt(e.At+e.For) != name:
			e.m.Problemf("for", "goes beyond the round of plan %q in which it begins", p.Name)
		case e.At < p.Starts:
			e.m.Problemf("at", "the plan %q starts only after %s", p.Name, yamlform.FormatDuration(p.Starts))
		case p.Ends > 0 && e.At+e.For >= p.Ends:
			e.m.Problemf("at", "the plan %q ends after %s", p.Name, yamlform.FormatDuration(p.Ends))
		}
		if refusal := span.take(e.Event); refusal != "" {
			e.m.Problemf("do", "the plan %q %s", p.Name, refusal)
		}
	}
}

// planSpan is where a plan stands between two of its events.
type planSpan struct {
	suspended, terminated bool
	until                 time.Duration // the end of the suspension; 0 for an open one
}

// take lets the next event happen, and says why the platform would refuse it.
func (l *planSpan) take(e *Event) (refusal string) {
	if l.until > 0 && e.At >= l.until {
		l.suspended, l.until = false, 0
	}
	switch {
	case l.terminated:
		refusal = "has been terminated by then"
	case e.Do == ResumePlan && !l.suspended:
		refusal = "is not suspended then"
	case e.Do == ResumePlan && l.until > 0:
		refusal = "is resumed by itself after " + yamlform.FormatDuration(l.until) + "; remove one of the two"
	case e.Do != ResumePlan && l.suspended:
		refusal = "is suspended then; resume it before"
	}
	switch e.Do {
	case SuspendPlan:
		l.suspended, l.until = true, 0
		if e.For > 0 {
			l.until = e.At + e.For
		}
	case ResumePlan:
		l.suspended, l.until = false, 0
	case TerminatePlan:
		l.terminated = true
	}
	return refusal
}
