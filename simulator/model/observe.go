package model

import (
	"fmt"
	"slices"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/verdict"
)

// EventOf is the event of a fact of the fake platform; false for what no history tells
// of. Its time is the world's to say. Of a dialect that does not carry reports the
// platform has those that it has made up itself, which no device has said.
func (d Dialect) EventOf(fact engine.Output) (e verdict.Event, is bool) {
	if _, report := fact.(engine.Recorded); report && !d.IsNative() {
		return verdict.Event{}, false
	}
	return EventOf(fact)
}

// EventOf is the event of a fact; false for what no history tells of. Its time is
// the world's to say.
func EventOf(fact engine.Output) (e verdict.Event, is bool) {
	switch fact := fact.(type) {
	case engine.Recorded:
		if kind, counts := kindOf(fact.Arrival); counts {
			return verdict.ReportEvent(0, kind, fact.Device.Device, fact.Report), true
		}
	case engine.Decided:
		return verdict.AnswerEvent(fact.Device.Device, fact.Decision), true
	case engine.Changed:
		return verdict.Event{Kind: verdict.StatusIs, Device: fact.Device.Device, Plan: fact.Plan, N: int64(fact.To)}, true
	}
	return verdict.Event{}, false
}

// kindOf is the event of what the ledger makes of a report.
func kindOf(a engine.Arrival) (kind verdict.Kind, counts bool) {
	switch a {
	case engine.Stored:
		return verdict.Stored, true
	case engine.Early:
		return verdict.OutOfOrder, true
	case engine.Duplicate:
		return verdict.Duplicate, true
	case engine.Conflicting:
		return verdict.Conflicting, true
	case engine.Illegal:
		return verdict.Illegal, true
	}
	return 0, false
}

// Overreach says how an acknowledgement is of reports that the device has not
// made, which is the platform's fault; empty if it is not. made is the number of
// the plan's last report.
func Overreach(ack *ota.Ack, made int) string {
	if ack.Seq <= made {
		return ""
	}
	return fmt.Sprintf("the platform acknowledges report %d of plan %s, and the device has made %d: the platform "+
		"counts wrongly, or knows the device from another run",
		ack.Seq, ack.Plan, made)
}

// Violation says how a report of success or failure is not so in the moment in which it
// is made; empty if it is. saved is the state that has the report, runs is what its
// component runs.
func Violation(saved *agent.State, r *ota.Report, runs string) string {
	if saved.Run == nil || saved.Run.Plan.ID != r.Plan {
		return ""
	}
	k := saved.Run.Plan.Component(r.Component)
	if k < 0 {
		return ""
	}
	target, from := saved.Run.Plan.Components[k].Target, saved.Run.Parts[k].From
	switch {
	case r.Status == ota.UpgradeSucceeded && runs != target:
		return fmt.Sprintf("component %s is reported upgraded to %s and runs %s", r.Component, target, runs)
	case r.Status == ota.UpgradeFailed && from != "" && runs != from && runs != "":
		return fmt.Sprintf("component %s is reported failed and runs %s instead of %s", r.Component, runs, from)
	}
	return ""
}

// Violations lists the components of the current plan that were reported upgraded and
// do not run the target, or were reported failed and do not run what they ran.
// runs gives what a component runs; false if the device has none such. A nil
// state says nothing.
func Violations(saved *agent.State, runs func(component string) (version string, has bool)) []string {
	if saved == nil || saved.Run == nil {
		return nil
	}
	var wrong []string
	for i, c := range saved.Run.Plan.Components {
		part := &saved.Run.Parts[i]
		version, has := runs(c.ID)
		switch {
		case !has, part.Step != agent.StepNone: // it is on its way
		case part.Status == ota.UpgradeSucceeded && version != c.Target:
			wrong = append(wrong, fmt.Sprintf("component %s was reported upgraded to %s and runs %s", c.ID, c.Target, version))
		case part.Status.Failed() && !part.Again && part.From != "" && version != part.From:
			wrong = append(wrong, fmt.Sprintf("component %s was reported failed and runs %s instead of %s", c.ID, version,
				part.From))
		}
	}
	return wrong
}

// underWay reports whether a device has not come to the end of a plan.
func underWay(saved *agent.State, plan string) bool {
	if saved.Run == nil || saved.Run.Plan.ID != plan {
		return false
	}
	return saved.Run.Answer != agent.Accepted || slices.ContainsFunc(saved.Run.Parts, func(p agent.Part) bool {
		return !p.Status.Done() && !p.Status.Failed() || p.Again
	})
}

// Unacknowledged are the events of the reports that a device has on its disk when
// the run ends, one for each plan. A nil state says nothing.
func Unacknowledged(saved *agent.State) []verdict.Event {
	var events []verdict.Event
	if saved == nil {
		return nil
	}
	for i := range saved.Reports {
		plan := saved.Reports[i].Plan
		k := slices.IndexFunc(events, func(e verdict.Event) bool { return e.Plan == plan })
		if k < 0 {
			k = len(events)
			events = append(events, verdict.Event{Kind: verdict.Unacknowledged, Plan: plan})
		}
		events[k].N++
	}
	return events
}
