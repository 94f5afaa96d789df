package engine

import (
	"slices"
	"time"

	"otafleet/internal/ota"
)

// fit says how a plan's components meet what a device runs.
type fit uint8

const (
	misfit   fit = iota // a component is missing, of another type, or runs a version the package does not start from
	fits                // at least one component needs work, and every one can be had
	atTarget            // every component runs its target
)

// fit compares exact version strings; nothing is newer or older.
func (p *plan) fit(d *device) fit {
	result := atTarget
	for i := range p.components {
		c := &p.components[i]
		version := d.version(c.ID, c.Type)
		switch {
		case version == "" || d.sub && c.Type == ota.MCU:
			return misfit
		case version == c.Target:
		case !c.StartsFrom(version):
			return misfit
		default:
			result = fits
		}
	}
	return result
}

// observe notes that a plan has nothing to do on a device that it has not
// touched yet, or has something to do again. t is the device's part; nil for none.
func (e *Engine) observe(p *plan, d *device, t *task) {
	if p.status.closed() || !p.admits(d) || t != nil && !t.untouched() {
		return
	}
	status := ota.PlanNotReceived
	if p.fit(d) == atTarget {
		status = ota.NoUpdateRequired
	}
	if t == nil {
		if status == ota.PlanNotReceived {
			return
		}
		t = e.addTask(p, d)
	}
	for i := range t.parts {
		t.parts[i].status = status
	}
	e.settle(t)
}

// unobserve forgets what was observed of a device that has the plan after all, and
// reports on it from its first step.
func (t *task) unobserve() {
	for i := range t.parts {
		if t.parts[i].status == ota.NoUpdateRequired {
			t.parts[i].status = ota.PlanNotReceived
		}
	}
}

// openAt reports whether devices may get the plan now.
func (p *plan) openAt(now time.Time) bool {
	return p.status.inEffect() && !now.Before(p.spec.Start) && now.Before(p.spec.End)
}

// mayHave is empty if the plan may go to the device now, whether it asks or
// not; else it is why not. t is the device's part of the plan; nil for none.
func (p *plan) mayHave(now time.Time, d *device, t *task) ota.NoPlanReason {
	if !p.admits(d) {
		return ota.NoPlanNotListed
	}
	if reason := t.refusal(); reason != "" {
		return reason
	}
	switch p.fit(d) {
	case misfit:
		return ota.NoPlanNone
	case atTarget:
		return ota.NoPlanUpToDate
	}
	switch {
	case p.status.closed() || !now.Before(p.spec.End):
		return ota.NoPlanEnded
	case p.status == Suspended:
		return ota.NoPlanSuspended
	case now.Before(p.spec.Start):
		return ota.NoPlanOutsideHours
	case p.spec.Mode == ota.Manual:
		return p.agreement(now, d, t)
	case !p.spec.OnRequest && !p.pushesAt(now):
		return ota.NoPlanOutsideHours
	}
	return ""
}

// refusal says why a device that the plan has reached may not have it (again).
func (t *task) refusal() ota.NoPlanReason {
	switch {
	case t == nil || t.untouched() && !t.cancelled && !t.abandoned:
		return ""
	case t.status == ota.DeviceUpgraded, t.status == ota.DeviceNoUpdateRequired:
		if t.plan.fit(t.device) != atTarget {
			return ota.NoPlanNone // an upgraded device that runs something else is not up to date
		}
		return ota.NoPlanUpToDate
	case t.confirmed, t.cancelled, t.status == ota.DeviceUpgradeFailed:
		return ota.NoPlanNone
	}
	return ""
}

// agreement asks whether the user of a manual plan has accepted it.
func (p *plan) agreement(now time.Time, d *device, t *task) ota.NoPlanReason {
	switch {
	case t != nil && t.agreed:
		return ""
	case t != nil && t.appointment != nil && now.Before(t.appointment.end):
		if now.Before(t.appointment.start) {
			return ota.NoPlanOutsideHours
		}
		return ""
	case d.autoConfirm && p.pushesAt(now):
		return ""
	case d.autoConfirm:
		return ota.NoPlanOutsideHours
	}
	return ota.NoPlanAwaitingUser
}

// tellingReasons orders the reasons by how much they tell a device that several
// plans do not want: the first that applies is its answer.
var tellingReasons = []ota.NoPlanReason{
	ota.NoPlanAwaitingUser, ota.NoPlanOutsideHours, ota.NoPlanSuspended, ota.NoPlanUpToDate,
	ota.NoPlanNotListed, ota.NoPlanEnded, ota.NoPlanNone,
}

// answer gives a device that asks the first plan it may have, or the reason
// why there is none. A rejection period does not hold: the device has asked.
func (e *Engine) answer(d *device) {
	best := ota.NoPlanNone
	for _, p := range e.offers(d) {
		if d.active != nil {
			break
		}
		reason := p.mayHave(e.now, d, d.task(p))
		if reason == "" {
			e.offer(e.taskFor(p, d), logAsked)
			return
		}
		if slices.Index(tellingReasons, reason) < slices.Index(tellingReasons, best) {
			best = reason
		}
	}
	e.send(d, &ota.NoPlan{Time: e.now, Reason: best})
}
