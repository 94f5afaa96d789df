package engine

// Fork returns a platform that has the packages and plans of this one, and goes its own
// way from there: neither hears of the other. This one must know no device. What is
// never changed is shared, so that a fork costs less than the same orders again.
//
// used is an earlier fork of this one that is not needed any more, whose memory the new
// one takes; nil for none.
func (e *Engine) Fork(used *Engine) *Engine {
	f := e.blank(used)
	packages, plans := f.catalog, f.created
	f.catalog, f.created = f.catalog[:0], f.created[:0]
	f.now, f.wake, f.maxDevices = e.now, e.wake, e.maxDevices
	f.numbered, f.activated, f.added = e.numbered, e.activated, e.added
	for i, p := range e.catalog {
		own := again(packages, i)
		*own = *p
		f.catalog = append(f.catalog, own)
		f.packages[p.key()] = own
	}
	for i, p := range e.created {
		own := again(plans, i)
		samples, tasks := own.series.samples[:0], own.tasks[:0]
		*own = *p
		samples = append(samples, p.series.samples...)
		own.series.samples, own.tasks = samples, tasks
		own.product = f.product(p.spec.Product)
		own.product.plans = append(own.product.plans, own)
		f.created = append(f.created, own)
		f.plans[p.spec.ID] = own
	}
	return f
}

// blank is a platform that knows nothing but words, with the packages and plans of a used
// one as memory for others.
func (e *Engine) blank(used *Engine) *Engine {
	if used == nil || len(used.words.list) == maxWords {
		f := New()
		for _, word := range e.words.list {
			f.words.number(word)
		}
		return f
	}
	for _, p := range used.products {
		used.unused.keep(p)
	}
	clear(used.products)
	clear(used.plans)
	clear(used.packages)
	clear(used.acks.waiting)
	*used = Engine{
		products: used.products, plans: used.plans, packages: used.packages, catalog: used.catalog, created: used.created,
		words: used.words, acks: ackQueue{waiting: used.acks.waiting[:0]}, unused: used.unused,
		line: used.line, out: used.out, found: used.found,
	}
	return used
}

// again is the i-th of some used things, or a new one.
func again[T any](used []*T, i int) *T {
	if i < len(used) {
		return used[i]
	}
	return new(T)
}

// unused is memory of products, devices and their parts of plans that a fork has taken
// from another one.
type unused struct {
	products []*product
	devices  []*device
	tasks    []*task
}

// keep takes a product with all its devices.
func (s *unused) keep(p *product) {
	for _, d := range p.devices {
		for _, t := range d.tasks {
			*t = task{parts: t.parts[:0], log: t.log[:0], digests: t.digests[:0]}
			s.tasks = append(s.tasks, t)
		}
		*d = device{components: d.components[:0], tasks: d.tasks[:0]}
		s.devices = append(s.devices, d)
	}
	clear(p.byKey)
	p.candidates.empty()
	*p = product{byKey: p.byKey, devices: p.devices[:0], ordered: p.ordered[:0], plans: p.plans[:0], active: p.active[:0],
		candidates: p.candidates}
	s.products = append(s.products, p)
}

// take takes the last of some used things, or a new one.
func take[T any](used *[]*T) *T {
	last := len(*used) - 1
	if last < 0 {
		return new(T)
	}
	taken := (*used)[last]
	*used = (*used)[:last]
	return taken
}
