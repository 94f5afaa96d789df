package virtual

import (
	"otafleet/agent"
	"otafleet/internal/ota"
)

// What is watched here never happens, whatever goes wrong around the device. It
// holds the machine to its own rules (save before acting, health before confirming,
// truth in reports) at the moment when they matter, and not only at the end.

// part is a component's share of the current plan, as it is on the disk; nil if
// there is none.
func (d *device) part(component string) *agent.Part {
	if d.Memory.State == nil || d.Memory.State.Run == nil {
		return nil
	}
	if i := d.Memory.State.Run.Plan.Component(component); i >= 0 {
		return &d.Memory.State.Run.Parts[i]
	}
	return nil
}

// watchActivate holds that the disk says so before a new version is made to run.
func (d *device) watchActivate(component string) {
	if p := d.part(component); p == nil || p.Step != agent.StepActivate {
		d.violation("component %s was activated before that was saved", component)
	}
}

// watchConfirm holds that a new version is healthy before it becomes permanent.
func (d *device) watchConfirm(component string) {
	if i := d.Memory.Component(component); i < 0 || !d.flashes[i].healthy {
		d.violation("component %s was confirmed before its health was checked", component)
	}
	if p := d.part(component); p == nil || p.Step != agent.StepConfirm {
		d.violation("component %s was confirmed before that was saved", component)
	}
}

// watchSend holds that a report is on the disk before it leaves.
func (d *device) watchSend(m ota.Up) {
	r, is := m.(*ota.Report)
	if !is {
		return
	}
	if d.Memory.Numbered(r.Plan) >= r.Seq {
		return
	}
	d.violation("report %d of plan %s was sent before it was saved", r.Seq, r.Plan)
}
