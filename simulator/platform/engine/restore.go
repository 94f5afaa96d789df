package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"otafleet/internal/ota"
)

// Keeper is where records are kept.
type Keeper interface {
	// Each calls f with every record whose key begins with prefix, and ends with
	// f's error if it has one.
	Each(prefix string, f func(Record) error) error
}

// Restore returns an engine in the state that a keeper has kept of another one,
// and that goes on with noting what changes. All devices count as offline until
// they are heard of again. Records that no engine writes are refused.
func Restore(from Keeper) (*Engine, error) {
	e := New()
	e.Keep()
	r := restorer{engine: e, checks: map[*versionPackage]*savedCheck{}, verifies: map[*plan]string{}}
	for _, step := range []struct {
		prefix string
		take   func([]byte) error
	}{
		{packageRecords, r.takePackage}, {planRecords, r.takePlan}, {seriesRecords, r.takeSeries},
		{deviceRecords, r.takeDevice}, {taskRecords, r.takeOwn},
	} {
		err := from.Each(step.prefix, func(record Record) error {
			if err := step.take(record.Value); err != nil {
				return fmt.Errorf("record %q: %w", record.Key, err)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("cannot go on from what was kept: %w", err)
		}
	}
	if err := r.join(); err != nil {
		return nil, fmt.Errorf("cannot go on from what was kept: %w", err)
	}
	e.scheduleWake()
	return e, nil
}

// restorer puts an engine together from its records.
type restorer struct {
	engine   *Engine
	checks   map[*versionPackage]*savedCheck
	verifies map[*plan]string
}

// errNotOurs is what a record gets that makes no sense.
var errNotOurs = errors.New("it is not one that this program writes")

func decode(value []byte, form any) error {
	decoder := json.NewDecoder(bytes.NewReader(value))
	if err := decoder.Decode(form); err != nil {
		return fmt.Errorf("%w: %w", errNotOurs, err)
	}
	return nil
}

func (r *restorer) takePackage(value []byte) error {
	var form savedPackage
	if err := decode(value, &form); err != nil {
		return err
	}
	v := &versionPackage{view: form.View, number: form.Number, size: form.Size, largest: form.Largest}
	v.view.Check = nil
	if v.view.ID != PackageID(v.view.Reference) || len(r.engine.catalog) >= MaxPackages ||
		r.engine.packages[v.key()] != nil {
		return errNotOurs
	}
	if form.Check != nil {
		r.checks[v] = form.Check
	}
	r.engine.packages[v.key()] = v
	r.engine.catalog = append(r.engine.catalog, v)
	return nil
}

func (r *restorer) takePlan(value []byte) error {
	var form savedPlan
	if err := decode(value, &form); err != nil {
		return err
	}
	e, spec := r.engine, form.Spec.PlanSpec
	zone, err := time.LoadLocation(form.Spec.Zone)
	if err != nil {
		zone = time.FixedZone(form.Spec.Zone, form.Spec.Offset)
	}
	spec.Zone = zone
	if err := spec.Validate(); err != nil {
		return err
	}
	active := form.Status != Inactivated
	switch n := len(form.Components); {
	case n == 0, n > len(spec.Components), n != len(form.References), e.plans[spec.ID] != nil,
		!form.Status.known(), active != (form.Activation > 0):
		return errNotOurs
	}
	p := &plan{
		spec: spec, black: set(spec.Black), white: set(spec.White), components: form.Components, references: form.References,
		space: form.Space, status: form.Status, nextPush: form.NextPush, known: form.Known, closed: form.Closed,
		number: form.Number, activation: form.Activation, retired: form.Retired,
	}
	if form.Verifies != "" {
		r.verifies[p] = form.Verifies
	}
	p.product = e.product(spec.Product)
	e.plans[spec.ID] = p
	e.created = append(e.created, p)
	return nil
}

func (r *restorer) takeSeries(value []byte) error {
	var form savedSeries
	if err := decode(value, &form); err != nil {
		return err
	}
	p := r.engine.plans[form.Plan]
	if p == nil || form.Step == 0 || len(form.Samples) > maxSamples {
		return errNotOurs
	}
	p.series.step = form.Step
	for _, s := range form.Samples {
		p.series.samples = append(p.series.samples, sample{second(s[0]), Tally(s[1:])})
	}
	return nil
}

// join puts everything into its order and computes what follows from it.
func (r *restorer) join() error {
	e := r.engine
	slices.SortStableFunc(e.catalog, func(a, b *versionPackage) int { return cmp.Compare(a.number, b.number) })
	for _, p := range e.catalog {
		e.added = max(e.added, p.number)
	}
	slices.SortStableFunc(e.created, func(a, b *plan) int { return cmp.Compare(a.number, b.number) })
	for _, p := range e.created {
		p.product.plans = append(p.product.plans, p)
		e.numbered, e.activated = max(e.numbered, p.number), max(e.activated, p.activation)
	}
	for _, p := range slices.SortedStableFunc(slices.Values(e.created), byActivation) {
		if p.activation > 0 {
			p.product.setActive(p)
		}
	}
	for _, pr := range e.products {
		if again := repeated(pr.active); again != nil {
			return fmt.Errorf("plan %s and another one were activated as the same: %w", again.spec.ID, errNotOurs)
		}
		slices.SortFunc(pr.devices, func(a, b *device) int { return cmp.Compare(a.index, b.index) })
		for i, d := range pr.devices {
			if d.index != i {
				return fmt.Errorf("a device of product %s is missing before %s: %w", pr.key, d.key, errNotOurs)
			}
			r.joinTasks(d)
		}
	}
	for _, p := range e.created {
		p.recount()
	}
	return r.joinChecks()
}

// repeated finds a plan that has the place of the one before it; nil if there is none.
func repeated(active []*plan) *plan {
	for i := 1; i < len(active); i++ {
		if active[i].activation == active[i-1].activation {
			return active[i]
		}
	}
	return nil
}

// joinTasks counts a device's tasks and finds the one that it is at work for.
func (r *restorer) joinTasks(d *device) {
	for _, t := range d.tasks {
		t.status = t.compute()
		if t.confirmed && !ended(t.status) {
			d.active = t
		}
		t.plan.tasks = append(t.plan.tasks, t)
		t.plan.tally[t.status]++
	}
}

// recount finds how many devices the plan counts.
func (p *plan) recount() {
	p.admitted = 0
	for _, d := range p.product.devices {
		if p.covers(d) || p.status.closed() && d.task(p) != nil {
			p.admitted++
		}
	}
}

func (r *restorer) joinChecks() error {
	e := r.engine
	for p, id := range r.verifies {
		v, err := e.findPackage("verify", id)
		if err != nil {
			return err
		}
		p.verifies = v
	}
	for v, c := range r.checks {
		p, d := e.plans[c.Plan], e.known(ota.Identity{Product: v.view.Product, Device: c.Device})
		if p == nil || p.verifies != v || d == nil {
			return fmt.Errorf("the verification of package %q: %w", v.view.Name, errNotOurs)
		}
		v.check = &verification{d, p, c.Created, c.Outcome}
	}
	return nil
}

func (s PlanStatus) known() bool {
	switch s {
	case Inactivated, ToBeUpgraded, Upgrading, Suspended, ForcedTerminated, Finished:
		return true
	}
	return false
}
