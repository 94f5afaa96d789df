package engine

import (
	"cmp"
	"slices"
	"strings"

	"otafleet/internal/ota"
)

// product is the fleet of one product and its plans.
type product struct {
	key     string
	byKey   map[string]*device
	devices []*device // in order of their first message
	ordered []*device // those of devices that order has seen, by key
	plans   []*plan   // in order of creation
	active  []*plan   // in order of activation, which is their priority; closed ones too

	candidates candidates // of active, if those are many
}

// device is what the platform knows of one device.
type device struct {
	product     *product
	key         string
	index       int // place in product.devices
	components  []installed
	tasks       []*task // one for each plan that has reached it, in the order of the plans' activation
	active      *task   // the one it has confirmed and not finished; nil if none
	online      bool
	sub         bool   // another device speaks for it
	via         string // which one; empty for none, and if a record of an older version does not say
	first, last second // when it was first and last heard of; 0 if it never was
	autoConfirm bool
}

// installed is one component as last reported.
type installed struct {
	id, version string
	kind        ota.ComponentType
}

func (d *device) identity() ota.Identity {
	return ota.Identity{Product: d.product.key, Device: d.key}
}

func (e *Engine) product(key string) *product {
	p := e.products[key]
	if p == nil {
		p = take(&e.unused.products)
		p.key = key
		if p.byKey == nil {
			p.byKey = map[string]*device{}
		}
		e.products[key] = p
	}
	return p
}

// device finds a device and takes in one that is new; nil if the identity is
// not one, or the engine remembers no more devices.
func (e *Engine) device(id ota.Identity) *device {
	if d := e.last; d != nil && d.key == id.Device && d.product.key == id.Product {
		return d // which often goes on
	}
	if d := e.known(id); d != nil {
		e.last = d
		return d
	}
	if !ota.ValidKey(id.Product) || !ota.ValidKey(id.Device) || e.devices >= e.maxDevices {
		return nil
	}
	e.devices++
	p := e.product(id.Product)
	d := take(&e.unused.devices)
	d.product, d.key, d.index = p, strings.Clone(id.Device), len(p.devices)
	p.byKey[d.key] = d
	p.devices = append(p.devices, d)
	for _, plan := range p.plans {
		if !plan.status.closed() && plan.admits(d) {
			plan.admitted++
			e.sample(plan)
		}
	}
	e.keepDevice(d)
	return d
}

// known finds a device without taking it in.
func (e *Engine) known(id ota.Identity) *device {
	p := e.products[id.Product]
	if p == nil {
		return nil
	}
	return p.byKey[id.Device]
}

// task finds the device's part of a plan; nil if the plan has not reached it.
func (d *device) task(p *plan) *task {
	if i, reached := d.place(p); reached {
		return d.tasks[i]
	}
	return nil
}

// place is where the device's part of a plan is in its tasks, or would be.
func (d *device) place(p *plan) (i int, reached bool) {
	return slices.BinarySearchFunc(d.tasks, p.activation, func(t *task, activation int) int {
		return cmp.Compare(t.plan.activation, activation)
	})
}

// take puts a task into its place.
func (d *device) take(t *task) {
	i, _ := d.place(t.plan)
	d.tasks = slices.Insert(d.tasks, i, t)
}

// taskOf is the device's part of a plan by its id; nil if the plan has not reached it.
func (e *Engine) taskOf(d *device, id string) *task {
	if p := e.plans[id]; p != nil && p.product == d.product {
		return d.task(p)
	}
	return nil
}

// version returns what a component runs; empty if the device has none such.
func (d *device) version(id string, kind ota.ComponentType) string {
	for i := range d.components {
		if c := &d.components[i]; c.id == id && c.kind == kind {
			return c.version
		}
	}
	return ""
}

// learn keeps an inventory.
func (e *Engine) learn(d *device, in *ota.Inventory) {
	d.sub, d.via = in.Via != "", e.words.share(in.Via)
	n := min(len(in.Components), ota.MaxInventory)
	if cap(d.components) < n {
		d.components = make([]installed, n)
	}
	d.components = d.components[:n]
	for i, c := range in.Components[:n] {
		if d.components[i] != (installed{c.ID, c.Version, c.Type}) {
			d.components[i] = installed{
				e.words.share(c.ID), e.words.share(c.Version), ota.ComponentType(e.words.share(string(c.Type))),
			}
		}
	}
}

// learnVersion keeps the version that a report names.
func (e *Engine) learnVersion(d *device, component, version string) {
	if version == "" {
		return
	}
	for i := range d.components {
		if c := &d.components[i]; c.id == component && c.version != version {
			c.version = e.words.share(version)
		}
	}
}

// inventory takes in what a device runs and gives it what it waits for: a
// withdrawn or retried plan, the address it lost, the plan it asked for. back
// says that it was away.
func (e *Engine) inventory(d *device, in *ota.Inventory, back bool) {
	e.learn(d, in)
	for _, p := range e.offers(d) {
		e.observe(p, d, d.task(p))
	}
	answered := e.payDebts(d, in.Running)
	if t := d.active; t != nil {
		answered = e.goOn(t, in.Running, back) || answered
	}
	for _, t := range d.tasks {
		t.mayForget = t.seq > 0 && !t.runs(in.Running)
	}
	if in.Request && !answered {
		e.answer(d)
	}
}

// payDebts sends what could not be sent while the device was away, and says
// whether a plan was among it.
func (e *Engine) payDebts(d *device, running *ota.Running) bool {
	for _, t := range d.tasks {
		if t.ackDue {
			e.acknowledge(t) // before a plan that could start its numbers over
		}
		switch {
		case t.owed == owesTermination, t.abandoned && t.runs(running):
			e.sendTermination(t)
		case t.owed == owesPlan && d.active == nil && t.plan.openAt(e.now):
			e.offer(t, logPushed)
			return true
		}
	}
	return false
}

// goOn continues with the plan that a device has confirmed, and says whether it
// sent the plan. A device that does not say that it runs the plan either waits
// for another attempt, which the address starts, or has lost its memory, and
// then ignores the address and needs the plan; in this order the plan harms
// neither.
func (e *Engine) goOn(t *task, running *ota.Running, back bool) bool {
	runs := t.runs(running)
	if !runs && e.credit(t) {
		return false
	}
	i := int(t.current)
	waits := i >= 0 && t.waits(i)
	if waits && !back && e.now.Sub(t.issued.time()) < addressOnItsWay && (runs || t.parts[i].status.Failed()) {
		return false
	}
	if waits {
		e.issue(t, i, IssueReconnect)
	}
	if !runs {
		e.offer(t, logPushed)
	}
	return !runs
}
