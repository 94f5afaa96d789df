package engine

import (
	"fmt"
	"slices"
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
	tally    Tally  // of tasks, by device status
	admitted int    // known devices that the lists admit; fixed when the plan closes
	known    int    // devices of the product when the plan closed
	closed   second // when it did; 0 while it has not
	message  *ota.Plan
	series   series
	retired  bool // it is forgotten as soon as no device is on its way under it

	number     int             // counts the plans in order of creation
	activation int             // counts the active plans in order of activation; 0 for one that is not
	verifies   *versionPackage // what the plan is the verification of; nil for a plan of the operator's
}

func (e *Engine) createPlan(spec *PlanSpec) error {
	p, err := e.checked(spec, nil)
	if err != nil {
		return fmt.Errorf("cannot create plan %q: %w", spec.ID, err)
	}
	e.enrol(p)
	return nil
}

// editPlan lets a plan that is not active yet become another one of the same id
// and product.
func (e *Engine) editPlan(spec *PlanSpec) error {
	old, err := e.find("edit", spec.ID, Inactivated)
	if err != nil {
		return err
	}
	p, err := e.checked(spec, old)
	if err != nil {
		return fmt.Errorf("cannot edit plan %q: %w", spec.ID, err)
	}
	p.number = old.number
	e.plans[spec.ID] = p
	e.created[slices.Index(e.created, old)] = p
	p.product = old.product
	p.product.plans[slices.Index(p.product.plans, old)] = p
	p.admitAll()
	e.keepPlan(p)
	return nil
}

// checked makes a plan if everything about it is right. old is the plan whose
// place it takes; nil for none.
func (e *Engine) checked(spec *PlanSpec, old *plan) (*plan, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	p, bad := e.draft(*spec)
	bad.unless(old != nil || e.plans[spec.ID] == nil, "id", "id %q is taken", spec.ID)
	for _, other := range e.created {
		bad.unless(other == old || other.spec.Name != spec.Name, "name", "name %q is taken", spec.Name)
	}
	bad.unless(old == nil || old.spec.Product == spec.Product, "product", "product: a stored plan keeps its product")
	bad.unless(e.now.Before(spec.End), "end", "end: %s has passed", spec.End.Format(time.RFC3339))
	bad.unless(old != nil || len(e.created) < MaxPlans, "",
		"there are %d plans already, which is all that the platform keeps", MaxPlans)
	return p, bad.join()
}

// draft makes a plan that is not known yet, and says which packages are missing.
func (e *Engine) draft(spec PlanSpec) (*plan, problems) {
	p := &plan{spec: spec, status: Inactivated, black: set(spec.Black), white: set(spec.White)}
	var bad problems
	for i := range spec.Components {
		e.addComponent(p, i, &bad)
	}
	return p, bad
}

// enrol takes a plan in.
func (e *Engine) enrol(p *plan) {
	e.numbered++
	p.number = e.numbered
	p.product = e.product(p.spec.Product)
	p.product.plans = append(p.product.plans, p)
	p.admitAll()
	e.plans[p.spec.ID] = p
	e.created = append(e.created, p)
	e.keepPlan(p)
}

// admitAll counts the known devices that the lists admit.
func (p *plan) admitAll() {
	p.admitted = 0
	for _, d := range p.product.devices {
		if p.admits(d) {
			p.admitted++
		}
	}
}

// dropPlan lets a plan be forgotten.
func (e *Engine) dropPlan(p *plan) {
	p.product.drop(p)
	e.created = slices.DeleteFunc(e.created, func(other *plan) bool { return other == p })
	delete(e.plans, p.spec.ID)
	e.forget(planRecord(p.spec.ID))
	e.forget(seriesRecord(p.spec.ID))
}

// addComponent finds the packages of component i: a full one by its target, a
// delta by source and target.
func (e *Engine) addComponent(p *plan, i int, bad *problems) {
	c := &p.spec.Components[i]
	if c.Skip {
		return
	}
	key := p.fullPackage(c.ID, c.Type, c.Target)
	if c.Package == ota.Delta {
		key.source = c.Sources[0]
	}
	entry := e.packages[key]
	if entry == nil {
		bad.unless(false, fmt.Sprintf("components[%d].target", i),
			"component %q: there is no %s package for %s from %q to %q", c.ID, c.Package, p.spec.Product, key.source, c.Target)
		return
	}
	p.components = append(p.components, ota.PlanComponent{
		ID: c.ID, Type: c.Type, Package: c.Package, Sources: c.Sources, Target: c.Target, Size: entry.size,
	})
	p.references = append(p.references, entry.view.Reference)
	p.space = max(p.space, entry.largest)
}

// fullPackage is the key of a component's full package.
func (p *plan) fullPackage(component string, kind ota.ComponentType, target string) packageKey {
	return packageKey{product: p.spec.Product, component: component, kind: kind, target: target}
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
	if p.status.closed() {
		return ota.DeviceUpgradeFailed
	}
	return ota.DeviceNotUpgraded
}

// covers reports whether the plan counts a device that it has never reached: its lists admit
// it, and it was known before the plan closed. A retired plan has forgotten them.
func (p *plan) covers(d *device) bool {
	return p.admits(d) && !p.retired && (!p.status.closed() || d.index < p.known)
}

func set(keys []string) map[string]struct{} {
	s := make(map[string]struct{}, len(keys))
	for _, k := range keys {
		s[k] = struct{}{}
	}
	return s
}
