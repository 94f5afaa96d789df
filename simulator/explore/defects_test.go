package explore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/explore"
	"otafleet/simulator/virtual"
)

// spoilt is one start of a machine with a defect: what it gets and what it
// says pass through the defect's hands.
type spoilt struct {
	machine *agent.Machine
	hear    func(agent.Input) agent.Input
	say     func([]agent.Output) []agent.Output

	boot    string            // id of the system's start
	swapped map[agent.Op]bool // effects that were replaced
	sent    int               // highest number of a report that has left
}

// Handle lets the machine decide, and spoils it.
func (s *spoilt) Handle(now time.Time, in agent.Input) []agent.Output {
	if boot, is := in.(agent.Booted); is {
		s.boot = boot.BootID
	}
	if s.hear != nil {
		in = s.hear(in)
	}
	out := s.machine.Handle(now, in)
	if s.say != nil {
		out = s.say(out)
	}
	return out
}

// defect is a mistake that one could make in the machine.
type defect struct {
	name  string
	plant func(*spoilt)
}

// each changes every output; nil drops it.
func each(change func(agent.Output) agent.Output) func(*spoilt) {
	return func(s *spoilt) {
		s.say = func(all []agent.Output) []agent.Output {
			var out []agent.Output
			for _, o := range all {
				if o = change(o); o != nil {
					out = append(out, o)
				}
			}
			return out
		}
	}
}

// reports changes every report, in the state that is saved and on its way alike.
func reports(change func(*ota.Report)) func(*spoilt) {
	return each(func(o agent.Output) agent.Output {
		switch o := o.(type) {
		case agent.Save:
			state := *o.State
			state.Reports = append([]ota.Report(nil), state.Reports...)
			for i := range state.Reports {
				change(&state.Reports[i])
			}
			return agent.Save{State: &state}
		case agent.Send:
			if r, is := o.Message.(*ota.Report); is {
				changed := *r
				change(&changed)
				return agent.Send{Message: &changed}
			}
		}
		return o
	})
}

// at reports whether some part of a saved state is at a step.
func at(o agent.Output, step agent.Step) bool {
	save, is := o.(agent.Save)
	if !is || save.State.Run == nil {
		return false
	}
	for _, part := range save.State.Run.Parts {
		if part.Step == step {
			return true
		}
	}
	return false
}

var defects = []defect{
	{"the save before an activation is left out", each(func(o agent.Output) agent.Output {
		if at(o, agent.StepActivate) {
			return nil
		}
		return o
	})},
	{"what follows from a state happens before it is saved", func(s *spoilt) {
		s.say = func(all []agent.Output) []agent.Output {
			if len(all) > 1 {
				all = append(append([]agent.Output(nil), all[1:]...), all[0])
			}
			return all
		}
	}},
	{"a number is given to two reports", reports(func(r *ota.Report) {
		if r.Seq == 6 {
			r.Seq = 5
		}
	})},
	{"a report changes after it was numbered", func(s *spoilt) {
		reports(func(r *ota.Report) { r.Version += s.boot })(s)
	}},
	{"a step is left out of the reports", reports(func(r *ota.Report) {
		if r.Status == ota.Downloading {
			r.Status = ota.DownloadSucceeded
		}
	})},
	{"a failure is reported as a success", reports(func(r *ota.Report) {
		if r.Status == ota.UpgradeFailed {
			r.Status, r.Failure = ota.UpgradeSucceeded, nil
		}
	})},
	{"reports that a broken connection has lost are not sent again", func(s *spoilt) {
		each(func(o agent.Output) agent.Output {
			if send, is := o.(agent.Send); is {
				if r, is := send.Message.(*ota.Report); is {
					if r.Seq <= s.sent {
						return nil
					}
					s.sent = r.Seq
				}
			}
			return o
		})(s)
	}},
	{"an acknowledgement drops one report too many", func(s *spoilt) {
		s.hear = func(in agent.Input) agent.Input {
			if m, is := in.(agent.Received); is {
				if ack, is := m.Message.(*ota.Ack); is {
					return agent.Received{Message: &ota.Ack{Plan: ack.Plan, Seq: ack.Seq + 1}}
				}
			}
			return in
		}
	}},
	{"a new version is confirmed before its health is known", swap(
		func(o agent.Output) (agent.Output, agent.Op) {
			if check, is := o.(agent.CheckHealth); is {
				return agent.Confirm(check), check.Op
			}
			return o, 0
		},
		func(in agent.Input, swapped map[agent.Op]bool) agent.Input {
			if c, is := in.(agent.Confirmed); is && swapped[c.Op] {
				return agent.HealthChecked{Op: c.Op, Version: "1.1.0"}
			}
			return in
		})},
	{"nothing rolls back after a failure", swap(
		func(o agent.Output) (agent.Output, agent.Op) {
			if back, is := o.(agent.Revert); is {
				return agent.CheckHealth(back), back.Op
			}
			return o, 0
		},
		func(in agent.Input, swapped map[agent.Op]bool) agent.Input {
			if c, is := in.(agent.HealthChecked); is && swapped[c.Op] {
				return agent.RevertDone{Op: c.Op, Version: c.Version}
			}
			return in
		})},
	{"the restart that a new version needs is left out", each(func(o agent.Output) agent.Output {
		if _, is := o.(agent.Restart); is {
			return nil
		}
		return o
	})},
	{"no timer ever rings", each(func(o agent.Output) agent.Output {
		if _, is := o.(agent.SetTimer); is {
			return nil
		}
		return o
	})},
}

// swap replaces effects by others, and their results by those of the effects that
// they stand for.
func swap(say func(agent.Output) (agent.Output, agent.Op),
	hear func(agent.Input, map[agent.Op]bool) agent.Input) func(*spoilt) {
	return func(s *spoilt) {
		s.swapped = map[agent.Op]bool{}
		each(func(o agent.Output) agent.Output {
			o, op := say(o)
			s.swapped[op] = op != 0
			return o
		})(s)
		s.hear = func(in agent.Input) agent.Input { return hear(in, s.swapped) }
	}
}

func TestDefectsAreCaught(t *testing.T) {
	s := bundled(t)
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			r, err := explore.Explore(t.Context(),
				explore.Options{Scenario: s, Pairs: -1, Mind: func(m *agent.Machine) virtual.Brain {
					mind := &spoilt{machine: m}
					d.plant(mind)
					return mind
				}})
			if err != nil {
				t.Log(err)
				return // it shows without any trouble
			}
			require.NotZero(t, r.Failed)
			assert.NotEmpty(t, r.Failures[0].Broken)
			t.Log(r.Failures[0].Cuts, r.Failures[0].Broken)
		})
	}
}
