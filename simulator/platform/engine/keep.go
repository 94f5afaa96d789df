package engine

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
)

// Record is one piece of the state as it is kept between two lives of the
// platform. Its content is the engine's own; a store needs to know no more than
// that a key is text of printable characters, and that a nil value means that
// the key is gone.
type Record struct {
	Key   string
	Value []byte
}

// The kinds of records, which are the beginnings of their keys.
const (
	packageRecords = "package/"
	planRecords    = "plan/"
	seriesRecords  = "series/"
	deviceRecords  = "device/"
	taskRecords    = "task/"
)

func packageRecord(id string) string { return packageRecords + id }
func planRecord(id string) string    { return planRecords + id }
func seriesRecord(id string) string  { return seriesRecords + id }
func (d *device) record() string     { return deviceRecords + d.product.key + "/" + d.key }

func (t *task) record() string {
	return taskRecords + t.device.product.key + "/" + t.device.key + "/" + t.plan.spec.ID
}

// kept is what has changed since the last call of Changes.
type kept struct {
	on       bool // the state is kept
	packages map[*versionPackage]struct{}
	plans    map[*plan]struct{}
	series   map[*plan]struct{}
	devices  map[*device]struct{}
	gone     map[string]struct{} // keys
	// written tells which of a device's parts of plans have changed: it has the hash of each
	// as it was written last. A device that had many plans changes one of them at a time.
	written map[*task]uint64
	seed    maphash.Seed
}

func newKept() kept {
	return kept{
		on: true, packages: map[*versionPackage]struct{}{}, plans: map[*plan]struct{}{}, series: map[*plan]struct{}{},
		devices: map[*device]struct{}{}, gone: map[string]struct{}{}, written: map[*task]uint64{}, seed: maphash.MakeSeed(),
	}
}

// Keep lets the engine note what changes, for Changes. An engine that no one
// keeps spends nothing on it.
func (e *Engine) Keep() {
	if !e.kept.on {
		e.kept = newKept()
	}
}

func (e *Engine) keepPackage(p *versionPackage) { mark(&e.kept, e.kept.packages, p) }
func (e *Engine) keepPlan(p *plan)              { mark(&e.kept, e.kept.plans, p) }
func (e *Engine) keepSeries(p *plan)            { mark(&e.kept, e.kept.series, p) }
func (e *Engine) keepDevice(d *device)          { mark(&e.kept, e.kept.devices, d) }

// keepNoTask forgets a device's part of a plan.
func (e *Engine) keepNoTask(t *task) {
	e.forget(t.record())
	delete(e.kept.written, t)
	e.keepDevice(t.device)
}

func (e *Engine) forget(key string) { mark(&e.kept, e.kept.gone, key) }

func mark[T comparable](k *kept, set map[T]struct{}, what T) {
	if k.on {
		set[what] = struct{}{}
	}
}

// Changes gives the records that have changed since the last call, or since Keep.
// Written over what was kept before, in their order, they are the state as it is
// now: a consistent one, if all of them are written or none.
func (e *Engine) Changes() []Record {
	k := &e.kept
	records := make([]Record, 0, len(k.gone)+len(k.packages)+len(k.plans)+len(k.series)+len(k.devices))
	for key := range k.gone {
		records = append(records, Record{Key: key})
	}
	for p := range k.packages {
		if e.packages[p.key()] == p {
			records = append(records, Record{packageRecord(p.view.ID), p.encode()})
		}
	}
	for p := range k.plans {
		if e.plans[p.spec.ID] == p {
			records = append(records, Record{planRecord(p.spec.ID), p.encode()})
		}
	}
	for p := range k.series {
		if e.plans[p.spec.ID] == p {
			records = append(records, Record{seriesRecord(p.spec.ID), p.series.encode(p.spec.ID)})
		}
	}
	for d := range k.devices {
		records = append(records, Record{d.record(), d.encode()})
		records = e.changedTasks(records, d)
	}
	if k.on {
		clear(k.gone)
		clear(k.packages)
		clear(k.plans)
		clear(k.series)
		clear(k.devices)
	}
	// What is gone stays first: it may have come again. The order of the keys is the one
	// in which a store writes many of them at once in the least time.
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), strings.Compare(a.Key, b.Key))
	})
	return records
}

// changedTasks adds the records of those of a device's parts of plans that are not as
// they were written.
func (e *Engine) changedTasks(records []Record, d *device) []Record {
	for _, t := range d.tasks {
		value := e.encodeTask(t)
		if sum := maphash.Bytes(e.kept.seed, value); e.kept.written[t] != sum {
			e.kept.written[t] = sum
			records = append(records, Record{t.record(), value})
		}
	}
	return records
}

func order(r Record) int {
	if r.Value == nil {
		return 0
	}
	return 1
}
