package engine

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// PlanStatus is the state of a plan, as the console labels it.
type PlanStatus string

// The plan statuses.
const (
	Inactivated      PlanStatus = "Inactivated"       // stored; can be deleted
	ToBeUpgraded     PlanStatus = "To be Upgraded"    // in effect, and no device has confirmed
	Upgrading        PlanStatus = "Upgrading"         // in effect, and a device has confirmed
	Suspended        PlanStatus = "Suspended"         // devices that have not confirmed are held back
	ForcedTerminated PlanStatus = "Forced Terminated" // for good
	Finished         PlanStatus = "Finished"          // its end has come
)

// inEffect reports whether devices may get the plan, times permitting.
func (s PlanStatus) inEffect() bool { return s == ToBeUpgraded || s == Upgrading }

// closed reports whether no device will ever get the plan again.
func (s PlanStatus) closed() bool { return s == ForcedTerminated || s == Finished }

// plan is a created plan.
type plan struct {
	spec         PlanSpec // never changed
	product      *product
	black, white map[string]struct{}
	components   []ota.PlanComponent // shared by every message
	references   []string            // package of each component
	space        int64

	status   PlanStatus
	nextPush time.Time // zero while the plan is not pushed
	tasks    []*task
	tally    Tally // of tasks, by device status
	admitted int   // known devices that the lists admit; fixed when the plan closes
	known    int   // devices of the product when the plan closed
	message  *ota.Plan
}

func (e *Engine) createPlan(now time.Time, spec *PlanSpec) error {
	if err := spec.Validate(); err != nil {
		return fmt.Errorf("cannot create plan %q: %w", spec.ID, err)
	}
	p := &plan{spec: *spec, status: Inactivated, black: set(spec.Black), white: set(spec.White)}
	var bad problems
	bad.unless(e.plans[spec.ID] == nil, "id %q is taken", spec.ID)
	for _, other := range e.created {
		bad.unless(other.spec.Name != spec.Name, "name %q is taken", spec.Name)
	}
	bad.unless(now.Before(spec.End), "end: %s has passed", spec.End.Format(time.RFC3339))
	for i := range spec.Components {
		e.addComponent(p, &spec.Components[i], &bad)
	}
	if err := bad.join(); err != nil {
		return fmt.Errorf("cannot create plan %q: %w", spec.ID, err)
	}
	p.product = e.product(spec.Product)
	p.product.plans = append(p.product.plans, p)
	for _, d := range p.product.devices {
		if p.admits(d) {
			p.admitted++
		}
	}
	e.plans[spec.ID] = p
	e.created = append(e.created, p)
	return nil
}

// addComponent finds the packages of one component: a full one by its target,
// a delta by source and target.
func (e *Engine) addComponent(p *plan, c *ComponentSpec, bad *problems) {
	if c.Skip {
		return
	}
	key := packageKey{p.spec.Product, c.ID, c.Type, "", c.Target}
	if c.Package == ota.Delta {
		key.source = c.Sources[0]
	}
	entry, found := e.packages[key]
	bad.unless(found, "component %q: there is no %s package for %s from %q to %q", c.ID, c.Package, p.spec.Product, key.source, c.Target)
	p.components = append(p.components, ota.PlanComponent{
		ID: c.ID, Type: c.Type, Package: c.Package, Sources: c.Sources, Target: c.Target, Size: entry.size,
	})
	p.references = append(p.references, entry.reference)
	p.space = max(p.space, entry.largest)
}

// messageFor returns the plan message of an attempt. One message serves all
// devices that get it within a second.
func (p *plan) messageFor(now time.Time, attempt int) *ota.Plan {
	if m := p.message; m != nil && m.Attempt == attempt && now.Sub(m.Time).Abs() < time.Second {
		return m
	}
	p.message = &ota.Plan{
		Time: now, ID: p.spec.ID, Name: p.spec.Name, Attempt: attempt, Mode: p.spec.Mode, Ends: p.spec.End,
		Conditions: ota.Conditions{MinBattery: p.spec.MinBattery, MinRSSI: p.spec.MinRSSI, Space: p.space},
		OnFailure:  p.spec.OnFailure, Components: p.components,
	}
	if p.message.OnFailure == "" {
		p.message.OnFailure = ota.Stop
	}
	return p.message
}

// admits reports whether the lists let a device into the plan. Black wins.
func (p *plan) admits(d *device) bool {
	if _, black := p.black[d.key]; black {
		return false
	}
	_, white := p.white[d.key]
	return white || len(p.white) == 0
}

// counts gives the plan's devices by status, those without a task included.
func (p *plan) counts() Tally {
	t := p.tally
	t[p.untouched()] += p.admitted - len(p.tasks)
	return t
}

// untouched is the status of a device that the plan has never reached.
func (p *plan) untouched() ota.DeviceStatus {
	if p.status == ForcedTerminated {
		return ota.DeviceUpgradeFailed
	}
	return ota.DeviceNotUpgraded
}

// covers reports whether the plan counts a device: its lists admit it, and it
// was known before the plan closed.
func (p *plan) covers(d *device) bool {
	return p.admits(d) && (!p.status.closed() || d.index < p.known)
}

func set(keys []string) map[string]struct{} {
	s := make(map[string]struct{}, len(keys))
	for _, k := range keys {
		s[k] = struct{}{}
	}
	return s
}
