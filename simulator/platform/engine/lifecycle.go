package engine

import (
	"fmt"
	"slices"
	"time"

	"otafleet/internal/ota"
)

// find returns a plan whose status allows an action.
func (e *Engine) find(action, id string, allowed ...PlanStatus) (*plan, error) {
	p := e.plans[id]
	if p == nil || p.verifies != nil {
		return nil, fmt.Errorf("cannot %s plan %q: plan %w", action, id, ErrUnknown)
	}
	if !slices.Contains(allowed, p.status) {
		return nil, fmt.Errorf("cannot %s plan %q: it is %s", action, id, p.status)
	}
	return p, nil
}

func (e *Engine) activate(id string) error {
	p, err := e.find("activate", id, Inactivated)
	if err != nil {
		return err
	}
	if !e.now.Before(p.spec.End) {
		return fmt.Errorf("cannot activate plan %q: its end %s has passed", id, p.spec.End.Format(time.RFC3339))
	}
	if fresh := p.strangers(); e.devices+fresh > e.maxDevices {
		return fmt.Errorf(
			"cannot activate plan %q: its white list names %s that the platform does not know, and it remembers at most %d",
			id, ota.Counted(fresh, "device"), e.maxDevices,
		)
	}
	for _, key := range p.spec.White {
		e.device(ota.Identity{Product: p.spec.Product, Device: key})
	}
	e.setStatus(p, ToBeUpgraded)
	p.product.setActive(p)
	e.activated++
	p.activation = e.activated
	for _, d := range p.product.devices {
		e.observe(p, d, d.task(p))
	}
	if !p.spec.OnRequest {
		p.nextPush = later(e.now, p.spec.Start)
	}
	e.runPlans()
	e.sample(p)
	return nil
}

// strangers counts the keys of the white list that belong to no known device.
func (p *plan) strangers() int {
	n := 0
	for key := range p.white {
		if p.product.byKey[key] == nil {
			n++
		}
	}
	return n
}

func (e *Engine) suspend(id string) error {
	p, err := e.find("suspend", id, ToBeUpgraded, Upgrading)
	if err == nil {
		e.setStatus(p, Suspended)
	}
	return err
}

func (e *Engine) resume(id string) error {
	p, err := e.find("resume", id, Suspended)
	if err != nil {
		return err
	}
	e.setStatus(p, p.running())
	return nil
}

// running is the status of a plan in effect.
func (p *plan) running() PlanStatus {
	for _, t := range p.tasks {
		if t.started != 0 {
			return Upgrading
		}
	}
	return ToBeUpgraded
}

func (e *Engine) deletePlan(id string) error {
	p, err := e.find("delete", id, Inactivated)
	if err != nil {
		return err
	}
	e.dropPlan(p)
	return nil
}

func (e *Engine) terminate(id string) error {
	p, err := e.find("terminate", id, ToBeUpgraded, Upgrading)
	if err != nil {
		return err
	}
	e.closePlan(p, ForcedTerminated)
	e.scheduleWake()
	return nil
}

// closePlan ends a plan for every device that has not confirmed. Confirmation
// is the point of no return: the others go on.
func (e *Engine) closePlan(p *plan, status PlanStatus) {
	e.expire(p)
	p.nextPush, p.known, p.closed = time.Time{}, len(p.product.devices), secondOf(e.now)
	e.setStatus(p, status)
	for _, t := range p.tasks {
		if ended(t.status) {
			continue
		}
		e.note(t, entry{kind: t.ending(), note: e.words.number(p.end())})
		if !t.confirmed {
			e.withdraw(t)
			e.settle(t)
		}
	}
	e.sample(p)
	for _, d := range p.product.devices {
		if p.admits(d) && d.task(p) == nil {
			e.emit(Changed{d.identity(), p.spec.ID, ota.DeviceNotUpgraded, p.untouched()})
		}
	}
}

// end says how a closed plan came to its end.
func (p *plan) end() string {
	if p.status == Finished {
		return "has ended"
	}
	return "was terminated"
}

// ending is what the end of its plan means for a device that is not at its own.
func (t *task) ending() logKind {
	switch {
	case t.confirmed:
		return logGoesOn
	case t.unheard():
		return logNeverHad
	}
	return logNotAccepted
}

// abandon ends one device's part of a plan: of one that was removed for good, or
// shall not go on. A device that has the plan gets a message; it ends what it has not
// begun to switch, and what it has begun it may yet report a success of.
func (e *Engine) abandon(cmd Abandon) error {
	p := e.plans[cmd.Plan]
	if p == nil || p.verifies != nil {
		return fmt.Errorf("cannot end plan %q for device %q: plan %w", cmd.Plan, cmd.Device, ErrUnknown)
	}
	d := p.product.byKey[cmd.Device]
	switch {
	case p.status == Inactivated:
		return fmt.Errorf("cannot end plan %q for device %q: it is %s", cmd.Plan, cmd.Device, p.status)
	case d == nil || !p.covers(d) && d.task(p) == nil:
		return fmt.Errorf("cannot end plan %q for device %q: device %w in the plan", cmd.Plan, cmd.Device, ErrUnknown)
	case ended(p.statusOf(d.task(p))):
		return fmt.Errorf("cannot end plan %q for device %q: its part is over, the device is %s", cmd.Plan, cmd.Device,
			p.statusOf(d.task(p)).Name())
	}
	t := e.taskFor(p, d)
	t.abandoned, t.agreed, t.appointment, t.current = true, false, nil, -1
	e.note(t, entry{kind: logAbandoned})
	e.withdraw(t)
	e.settle(t)
	return nil
}

// withdraw takes an unconfirmed plan back from a device that may have it: at
// once if it is online, else when it is heard of again.
func (e *Engine) withdraw(t *task) {
	t.owed = owesNothing
	e.keepDevice(t.device)
	for i := range t.parts {
		if t.parts[i].status.Failed() {
			t.parts[i].exhausted = true
		}
	}
	if t.offered == 0 || ended(t.status) {
		return
	}
	if !t.device.online {
		t.owed = owesTermination
		return
	}
	e.sendTermination(t)
}

func (e *Engine) sendTermination(t *task) {
	t.owed = owesNothing
	reason := ota.Terminated
	if t.plan.status == Finished && !t.abandoned {
		reason = ota.Ended
	}
	e.note(t, entry{kind: logWithdrawn, note: e.words.number(string(reason))})
	e.send(t.device, &ota.Termination{Time: e.now, Plan: t.plan.spec.ID, Reason: reason})
}

func (e *Engine) setStatus(p *plan, s PlanStatus) {
	p.status = s
	e.keepPlan(p)
	e.emit(PlanChanged{p.spec.ID, s})
}
