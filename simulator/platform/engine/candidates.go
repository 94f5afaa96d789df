package engine

import (
	"cmp"
	"slices"
)

// manyPlans is how many active plans of a product are held against each device, one by
// one.
const manyPlans = 8

// candidates finds, of many active plans of a product, those that a device may be a
// candidate of. A device tells of what it runs again and again, and of a hundred plans
// nearly all lead from and to other versions. The zero value is empty.
type candidates struct {
	byVersion map[componentVersion][]*plan // by each version that the first component starts from, and by its target
	others    []*plan                      // start from any version, or are not for every device
}

// componentVersion is a component as a device runs it.
type componentVersion struct{ component, version string }

func (c *candidates) add(p *plan) {
	keys := p.startVersions()
	if keys == nil {
		c.others = append(c.others, p)
		return
	}
	if c.byVersion == nil {
		c.byVersion = map[componentVersion][]*plan{}
	}
	for _, key := range keys {
		c.byVersion[key] = append(c.byVersion[key], p)
	}
}

func (c *candidates) remove(p *plan) {
	same := func(other *plan) bool { return other == p }
	keys := p.startVersions()
	if keys == nil {
		c.others = slices.DeleteFunc(c.others, same)
	}
	for _, key := range keys {
		if c.byVersion[key] = slices.DeleteFunc(c.byVersion[key], same); len(c.byVersion[key]) == 0 {
			delete(c.byVersion, key)
		}
	}
}

// startVersions are what the first component may run on devices that the plan is for;
// nil for anything.
func (p *plan) startVersions() (keys []componentVersion) {
	if len(p.black)+len(p.white) > 0 || len(p.components) == 0 || len(p.components[0].Sources) == 0 {
		return nil
	}
	first := &p.components[0]
	keys = append(keys, componentVersion{first.ID, first.Target})
	for _, source := range first.Sources {
		if key := (componentVersion{first.ID, source}); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// empty forgets all, and keeps the memory.
func (c *candidates) empty() {
	clear(c.byVersion)
	c.others = c.others[:0]
}

// setActive adds a plan to those that devices may have.
func (pr *product) setActive(p *plan) {
	pr.active = append(pr.active, p)
	switch {
	case len(pr.active) == manyPlans+1:
		for _, each := range pr.active {
			pr.candidates.add(each)
		}
	case len(pr.active) > manyPlans:
		pr.candidates.add(p)
	}
}

// drop takes a plan out of those that there are.
func (pr *product) drop(p *plan) {
	same := func(other *plan) bool { return other == p }
	pr.plans = slices.DeleteFunc(pr.plans, same)
	before := len(pr.active)
	pr.active = slices.DeleteFunc(pr.active, same)
	switch {
	case len(pr.active) == before: // it was never active
	case len(pr.active) == manyPlans:
		pr.candidates.empty()
	case len(pr.active) > manyPlans:
		pr.candidates.remove(p)
	}
}

// offers are the active plans for which a device may be a candidate, or of which it has a
// part that has not reached it, in the order of activation. Every other one is for all
// devices, and a misfit. The list is good until the next call.
func (e *Engine) offers(d *device) []*plan {
	pr := d.product
	if len(pr.active) <= manyPlans {
		return pr.active
	}
	e.found = append(e.found[:0], pr.candidates.others...)
	for i := range d.components {
		c := &d.components[i]
		e.found = append(e.found, pr.candidates.byVersion[componentVersion{c.id, c.version}]...)
	}
	for _, t := range d.tasks {
		if t.untouched() && t.plan.activation > 0 && !slices.Contains(e.found, t.plan) {
			e.found = append(e.found, t.plan)
		}
	}
	slices.SortFunc(e.found, byActivation)
	return e.found
}

// byActivation compares plans by their priority.
func byActivation(a, b *plan) int { return cmp.Compare(a.activation, b.activation) }
