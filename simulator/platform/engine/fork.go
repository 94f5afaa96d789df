package engine

import (
	"maps"
	"slices"
)

// Fork returns a platform that has the packages and plans of this one, and goes its own
// way from there: neither hears of the other. This one must know no device. What is
// never changed is shared, so that a fork costs less than the same orders again.
func (e *Engine) Fork() *Engine {
	f := New()
	f.now, f.wake, f.maxDevices = e.now, e.wake, e.maxDevices
	f.numbered, f.activated, f.added = e.numbered, e.activated, e.added
	f.words = words{numbers: maps.Clone(e.words.numbers), list: slices.Clone(e.words.list)}
	packages := make([]versionPackage, len(e.catalog))
	f.catalog = make([]*versionPackage, len(e.catalog))
	for i, p := range e.catalog {
		packages[i], f.catalog[i] = *p, &packages[i]
		f.packages[p.key()] = &packages[i]
	}
	plans := make([]plan, len(e.created))
	f.created = make([]*plan, len(e.created))
	for i, p := range e.created {
		plans[i], f.created[i] = *p, &plans[i]
		f.plans[p.spec.ID] = &plans[i]
		plans[i].series.samples = slices.Clone(p.series.samples)
		plans[i].product = f.product(p.spec.Product)
		plans[i].product.plans = append(plans[i].product.plans, &plans[i])
	}
	return f
}
