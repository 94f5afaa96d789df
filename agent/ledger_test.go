package agent_test

import (
	"fmt"
	"reflect"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// ledger stores the reports of a device as a platform does, and says what a
// device must never do: leave a gap, use a number twice for different things,
// or break the status table.
type ledger map[string]*account

// account is what is stored of one plan.
type account struct {
	reports []ota.Report
	status  map[string]ota.Status
}

func (l ledger) account(plan string) *account {
	if l[plan] == nil {
		l[plan] = &account{status: map[string]ota.Status{}}
	}
	return l[plan]
}

func (l ledger) take(r *ota.Report) error {
	a := l.account(r.Plan)
	switch {
	case r.Seq < 1 || r.Seq > len(a.reports)+1:
		return fmt.Errorf("report %d of plan %s follows %d", r.Seq, r.Plan, len(a.reports))
	case r.Seq <= len(a.reports):
		if known := a.reports[r.Seq-1]; !reflect.DeepEqual(known, *r) {
			return fmt.Errorf("report %d of plan %s changed from %+v to %+v", r.Seq, r.Plan, known, *r)
		}
		return nil
	}
	if err := ota.Legal(a.status[r.Component], r.Status, r.Failure); err != nil {
		return fmt.Errorf("report %d of plan %s, component %s: %w", r.Seq, r.Plan, r.Component, err)
	}
	a.reports = append(a.reports, *r)
	a.status[r.Component] = r.Status
	return nil
}

// effects watches the rules of a list of outputs: a Save first and at most
// once, and one effect in progress at a time.
type effects struct {
	running agent.Output // the effect in progress; nil if none
	op      agent.Op
}

func (e *effects) take(outputs []agent.Output) error {
	for i, out := range outputs {
		switch out := out.(type) {
		case agent.Save:
			if i > 0 {
				return fmt.Errorf("the Save stands at place %d", i)
			}
		case agent.Broken:
			return out.Err
		case agent.Cancel:
			if e.running == nil || e.op != out.Op {
				return fmt.Errorf("effect %d is cancelled and does not run", out.Op)
			}
			e.running = nil
		default:
			op, is := opOf(out)
			switch {
			case !is:
			case e.running != nil:
				return fmt.Errorf("%T begins while %T runs", out, e.running)
			case op <= e.op:
				return fmt.Errorf("effect %d follows effect %d", op, e.op)
			default:
				e.running, e.op = out, op
			}
		}
	}
	return nil
}

// hear notes an input that ends the running effect.
func (e *effects) hear(in agent.Input) {
	ends := false
	switch in := in.(type) {
	case agent.Fetched:
		_, ends = e.running.(agent.Fetch)
		ends = ends && in.Op == e.op
	case agent.Staged:
		_, ends = e.running.(agent.Stage)
		ends = ends && in.Op == e.op
	case agent.Activated:
		_, ends = e.running.(agent.Activate)
		ends = ends && in.Op == e.op
	case agent.HealthChecked:
		_, ends = e.running.(agent.CheckHealth)
		ends = ends && in.Op == e.op
	case agent.Confirmed:
		_, ends = e.running.(agent.Confirm)
		ends = ends && in.Op == e.op
	case agent.RevertDone:
		_, ends = e.running.(agent.Revert)
		ends = ends && in.Op == e.op
	case agent.RestartMissed:
		_, ends = e.running.(agent.Restart)
		ends = ends && in.Op == e.op
	}
	if ends {
		e.running = nil
	}
}

// opOf returns the number of an output that is an effect.
func opOf(out agent.Output) (agent.Op, bool) {
	switch out := out.(type) {
	case agent.Fetch:
		return out.Op, true
	case agent.Stage:
		return out.Op, true
	case agent.Activate:
		return out.Op, true
	case agent.CheckHealth:
		return out.Op, true
	case agent.Confirm:
		return out.Op, true
	case agent.Revert:
		return out.Op, true
	case agent.Restart:
		return out.Op, true
	}
	return 0, false
}
