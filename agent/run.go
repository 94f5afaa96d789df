package agent

import (
	"slices"

	"otafleet/internal/ota"
)

// newRun returns a run whose parts wait for the plan to be received.
func newRun(plan *ota.Plan) *Run {
	return &Run{Plan: plan, Attempt: plan.Attempt, Parts: make([]Part, len(plan.Components))}
}

// resume goes on with the numbers of a plan that was received long ago and never
// accepted: each of its components was reported then.
func (r *Run) resume(ended *Ended) {
	r.LastSeq = ended.LastSeq
	for i := range r.Parts[:min(len(r.Parts), ended.LastSeq)] {
		r.Parts[i].Status = ota.PlanReceived
	}
}

// awaits reports whether the device has accepted work on part i and has not
// begun, or is to begin again after a failure.
func (r *Run) awaits(i int) bool {
	part := &r.Parts[i]
	return r.Answer == Accepted &&
		(part.Status == ota.UpgradeConfirmed || part.Status.Failed() && part.Again)
}

// inProgress reports whether the device has accepted and still has work that it
// can go on with.
func (r *Run) inProgress() bool { return r.active(nil) >= 0 }

// active returns the part that the device works on: the last one in the middle
// of a step (components roll back in reverse order), else the one whose package
// is being brought, else the one whose turn it is. It is -1 when there is none.
func (r *Run) active(work []work) int {
	for i := len(r.Parts) - 1; i >= 0; i-- {
		if r.Parts[i].Step != StepNone {
			return i
		}
	}
	for i := range r.Parts {
		if r.Parts[i].begun() {
			return i
		}
	}
	return r.next(work)
}

// switching reports whether a part is in the middle of its switch, or in the
// rollback.
func (r *Run) switching() bool {
	return slices.ContainsFunc(r.Parts, func(p Part) bool { return p.Step != StepNone })
}

// begun reports whether the part has its package and is not yet upgrading.
func (p *Part) begun() bool {
	switch p.Status {
	case ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded:
		return true
	}
	return false
}

// stagingNow reports whether the downloaded files are being made ready to run.
func (p *Part) stagingNow() bool { return p.Status == ota.DownloadSucceeded && p.Staging }

// failedAs is the failure by which a part in its status may end.
func (p *Part) failedAs() ota.Status {
	if p.Status == ota.ReadyToDownload || p.Status == ota.Downloading {
		return ota.DownloadFailed
	}
	return ota.UpgradeFailed
}

// next returns the first part in list order that waits for its package. Of
// several failed parts that wait, the first that has one goes first.
func (r *Run) next(work []work) int {
	waiting := -1
	for i := range r.Parts {
		part := &r.Parts[i]
		switch {
		case part.Status.Failed() && part.Again:
			if i < len(work) && work[i].pkg != nil {
				return i
			}
			if waiting < 0 {
				waiting = i
			}
		case part.Status.Failed() && r.Plan.OnFailure != ota.Continue:
			return waiting // later components are not touched
		case r.awaits(i):
			if waiting < 0 {
				waiting = i
			}
			return waiting
		}
	}
	return waiting
}

// failed reports whether some part has failed.
func (r *Run) failed() bool {
	for i := range r.Parts {
		if r.Parts[i].Status.Failed() {
			return true
		}
	}
	return false
}

// adopt returns the run with the content of a plan that is sent again before it
// was accepted, or with a higher attempt. What is known of a component stays
// with its id, but for what was to be tried again: that is decided anew. The run
// itself is not changed: a saved state may share it.
func (r *Run) adopt(plan *ota.Plan) *Run {
	again := newRun(plan)
	again.LastSeq = r.LastSeq
	// The operator has accepted what the plan said then.
	again.Agreed = r.Agreed && plan.Attempt == r.Attempt && slices.EqualFunc(plan.Components, r.Plan.Components,
		func(a, b ota.PlanComponent) bool {
			return a.ID == b.ID && a.Target == b.Target && a.Package == b.Package
		})
	for i, c := range plan.Components {
		if k := r.Plan.Component(c.ID); k >= 0 {
			again.Parts[i] = r.Parts[k]
			again.Parts[i].Again = false
		}
	}
	return again
}
