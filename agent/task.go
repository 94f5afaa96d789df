package agent

import "otafleet/internal/ota"

// task is one component's part of the current plan, with all that the machine knows of
// it: what the plan wants, what is saved, what is held in memory, and the component
// itself.
type task struct {
	i     int                // its position in the plan
	wants *ota.PlanComponent // what the plan wants
	*Part                    // how far it has come, as it is saved
	*work                    // its package, in memory
	has   *Component         // what the device remembers of the component; nil if it is not configured
	made  *ComponentConfig   // how the component is configured; nil if it is not
}

// task is the i-th part of the current plan.
func (m *Machine) task(i int) task {
	run := m.state.Run
	t := task{i: i, wants: &run.Plan.Components[i], Part: &run.Parts[i], work: &m.work[i]}
	if k := m.state.component(t.wants.ID); k >= 0 {
		t.has, t.made = &m.state.Components[k], &m.config.Components[k]
	}
	return t
}

// active is the part that the device works on (Run.active); false if there is none.
func (m *Machine) active() (task, bool) {
	if m.state.Run == nil {
		return task{}, false
	}
	i := m.state.Run.active(m.work)
	if i < 0 {
		return task{}, false
	}
	return m.task(i), true
}

// needsPackage reports whether the part can begin with nothing but its package.
func (t task) needsPackage() bool { return t.Step == StepNone && t.pkg == nil }

// runs is the version that the component runs, as last known; empty if it never
// answered or the device does not have it.
func (t task) runs() string {
	if t.has == nil {
		return ""
	}
	return t.has.Version
}

// irreversible reports whether the component cannot be rolled back.
func (t task) irreversible() bool { return t.made != nil && t.made.Irreversible }
