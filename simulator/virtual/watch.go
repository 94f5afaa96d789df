package virtual

import (
	"otafleet/agent"
	"otafleet/internal/ota"
)

// What is watched here never happens, whatever goes wrong around the device. It
// holds the machine to its own rules (save before acting, health before confirming,
// truth in reports) at the moment when they matter, and not only at the end.

// part is a component's share of the plan in hand, as it is on the disk; nil if
// there is none.
func (d *device) part(component string) *agent.Part {
	if d.saved == nil || d.saved.Run == nil {
		return nil
	}
	if i := d.saved.Run.Plan.Component(component); i >= 0 {
		return &d.saved.Run.Parts[i]
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
	if i := d.component(component); i < 0 || !d.life.healthy[i] {
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
	for i := range d.numbered {
		if n := &d.numbered[i]; n.plan == r.Plan && n.seq >= r.Seq {
			return
		}
	}
	d.violation("report %d of plan %s was sent before it was saved", r.Seq, r.Plan)
}

// watchReport holds that a report of success or failure is true when it is made.
func (d *device) watchReport(r *ota.Report) {
	i := d.component(r.Component)
	if i < 0 || d.saved.Run == nil {
		return
	}
	runs := d.flashes[i].Running
	k := d.saved.Run.Plan.Component(r.Component)
	if k < 0 || d.saved.Run.Plan.ID != r.Plan {
		return
	}
	target, from := d.saved.Run.Plan.Components[k].Target, d.saved.Run.Parts[k].From
	switch {
	case r.Status == ota.UpgradeSucceeded && runs != target:
		d.violation("component %s is reported upgraded to %s and runs %s", r.Component, target, runs)
	case r.Status == ota.UpgradeFailed && from != "" && runs != from && runs != "":
		d.violation("component %s is reported failed and runs %s instead of %s", r.Component, runs, from)
	}
}
