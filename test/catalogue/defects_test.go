package catalogue_test

import (
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/virtual"
)

// spoilt is one start of a machine with a defect: what it says passes through the
// defect's hands.
type spoilt struct {
	machine *agent.Machine
	say     func([]agent.Output) []agent.Output
}

// Handle lets the machine decide, and spoils it.
func (s *spoilt) Handle(now time.Time, in agent.Input) []agent.Output {
	return s.say(s.machine.Handle(now, in))
}

// defects are mistakes that are easily made in the machine: each breaks a
// promise that scenarios rely on.
func defects() []mutation {
	defect := func(name string, say func([]agent.Output) []agent.Output) mutation {
		return mutation{name: name, mind: func(m *agent.Machine) virtual.Brain { return &spoilt{m, say} }}
	}
	return []mutation{
		defect("reports leave in the wrong order", backwards),
		defect("every other report is never sent", sends(func(r *ota.Report) *ota.Report {
			if r.Seq%2 == 0 {
				return nil
			}
			return r
		})),
		defect("a report changes when it is sent", sends(func(r *ota.Report) *ota.Report {
			r.Version += "x"
			return r
		})),
		defect("the step before a new version runs is left out", states(func(s *agent.State) {
			for i := range s.Reports {
				if r := &s.Reports[i]; r.Status == ota.Upgrading {
					r.Status = ota.UpgradeSucceeded
				}
			}
		})),
		defect("no failure is called by its name", states(func(s *agent.State) {
			for i := range s.Reports {
				if r := &s.Reports[i]; r.Failure != nil {
					r.Failure = &ota.Failure{Code: ota.Internal}
				}
			}
		})),
		defect("an image that was given up is forgotten", states(func(s *agent.State) {
			for i := range s.Components {
				if s.Components[i].RestartCounter.Restarts > 10 {
					s.Components[i].RestartCounter = agent.RestartCounter{}
				}
			}
		})),
	}
}

// backwards lets the reports that leave together leave last first.
func backwards(all []agent.Output) []agent.Output {
	var places []int
	for i, o := range all {
		if reportIn(o) != nil {
			places = append(places, i)
		}
	}
	for i, k := 0, len(places)-1; i < k; i, k = i+1, k-1 {
		all[places[i]], all[places[k]] = all[places[k]], all[places[i]]
	}
	return all
}

func reportIn(o agent.Output) *ota.Report {
	send, is := o.(agent.Send)
	if !is {
		return nil
	}
	r, _ := send.Message.(*ota.Report)
	return r
}

// sends changes a copy of every report on its way; nil drops it.
func sends(change func(*ota.Report) *ota.Report) func([]agent.Output) []agent.Output {
	return func(all []agent.Output) []agent.Output {
		var out []agent.Output
		for _, o := range all {
			if r := reportIn(o); r != nil {
				changed := *r
				said := change(&changed)
				if said == nil {
					continue
				}
				o = agent.Send{Message: said}
			}
			out = append(out, o)
		}
		return out
	}
}

// states changes a copy of every state on its way to the disk, and the reports in
// it when they are sent.
func states(change func(*agent.State)) func([]agent.Output) []agent.Output {
	reports := sends(func(r *ota.Report) *ota.Report {
		s := &agent.State{Reports: []ota.Report{*r}}
		change(s)
		return &s.Reports[0]
	})
	return func(all []agent.Output) []agent.Output {
		for i, o := range all {
			if save, is := o.(agent.Save); is {
				s := *save.State
				s.Components = append([]agent.Component(nil), s.Components...)
				s.Reports = append([]ota.Report(nil), s.Reports...)
				change(&s)
				all[i] = agent.Save{State: &s}
			}
		}
		return reports(all)
	}
}
