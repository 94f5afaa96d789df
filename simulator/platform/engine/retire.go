package engine

import "slices"

// forgetPlan takes the orders after which a plan is not known any more.
func (e *Engine) forgetPlan(cmd Command) error {
	if over, is := cmd.(Retire); is {
		return e.retire(over.Plan)
	}
	return e.deletePlan(cmd.(DeletePlan).Plan)
}

// retire lets go of a plan that is over.
func (e *Engine) retire(id string) error {
	p, err := e.find("retire", id, Finished, ForcedTerminated)
	if err != nil {
		return err
	}
	p.retired, p.admitted = true, len(p.tasks)
	e.keepPlan(p)
	e.letGo()
	return nil
}

// letGo forgets what it can of the retired plans. Each keeps the devices that are on
// their way under it, which are few: a device is at work on one plan at a time.
func (e *Engine) letGo() {
	for _, p := range slices.Clone(e.created) {
		if !p.retired {
			continue
		}
		p.tasks = slices.DeleteFunc(p.tasks, func(t *task) bool {
			over := ended(t.status) && !t.ackDue && !t.ackQueued && t.owed == owesNothing
			if over {
				e.dropTask(t)
			}
			return over
		})
		p.admitted = len(p.tasks)
		if len(p.tasks) == 0 {
			e.dropPlan(p)
		}
	}
}

// dropTask forgets a device's part of a plan, which then counts the others alone.
func (e *Engine) dropTask(t *task) {
	d := t.device
	d.tasks = slices.DeleteFunc(d.tasks, func(other *task) bool { return other == t })
	t.plan.tally[t.status]--
	e.keepNoTask(t)
}
