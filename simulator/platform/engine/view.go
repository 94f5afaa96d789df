package engine

import (
	"math"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// Tally counts devices by ota.DeviceStatus.
type Tally [5]int

// Total is the number of devices counted.
func (t Tally) Total() int {
	n := 0
	for _, c := range t {
		n += c
	}
	return n
}

// SuccessRate is upgraded / (upgraded + failed) in percent, with two decimals;
// 0 while there is neither.
func (t Tally) SuccessRate() float64 {
	good, bad := float64(t[ota.DeviceUpgraded]), float64(t[ota.DeviceUpgradeFailed])
	if good+bad == 0 {
		return 0
	}
	return math.Round(good/(good+bad)*10000) / 100
}

// PlanView is one line of the list of plans, and the head of a plan's
// monitoring page.
type PlanView struct {
	ID, Name, Product string
	Status            PlanStatus
	Mode              ota.Mode
	Start, End        time.Time
	Devices           Tally
}

// Plans lists the plans in order of creation.
func (e *Engine) Plans() []PlanView {
	views := make([]PlanView, 0, len(e.created))
	for _, p := range e.created {
		if p.verifies == nil {
			views = append(views, p.view())
		}
	}
	return views
}

// Plan gives one plan; false if there is none of that id. A verification is none.
func (e *Engine) Plan(id string) (PlanView, bool) {
	p := e.plans[id]
	if p == nil || p.verifies != nil {
		return PlanView{}, false
	}
	return p.view(), true
}

// Fields gives what a plan was created from; false if there is none of that id.
// Its lists must not be changed.
func (e *Engine) Fields(id string) (PlanSpec, bool) {
	p := e.plans[id]
	if p == nil || p.verifies != nil {
		return PlanSpec{}, false
	}
	return p.spec, true
}

func (p *plan) view() PlanView {
	return PlanView{
		ID: p.spec.ID, Name: p.spec.Name, Product: p.spec.Product, Status: p.status, Mode: p.spec.Mode,
		Start: p.spec.Start, End: p.spec.End, Devices: p.counts(),
	}
}

// Totals counts the devices of all plans together, a device once for each.
func (e *Engine) Totals() Tally {
	var all Tally
	for _, p := range e.created {
		if p.verifies != nil {
			continue
		}
		for s, n := range p.counts() {
			all[s] += n
		}
	}
	return all
}

// Arrivals counts the reports so far by what the ledger made of them. An early
// one is counted again when its turn has come.
func (e *Engine) Arrivals() map[Arrival]int {
	counts := make(map[Arrival]int, arrivals)
	for a := range arrivals {
		counts[a] = e.arrivals[a]
	}
	return counts
}

// DeviceRow is one line of a plan's list of devices.
type DeviceRow struct {
	Key              string
	Status           ota.DeviceStatus
	Online           bool
	Started, Ended   time.Time // to the second; zero before the confirmation, and before the end
	Attempt, LastSeq int
	// Failures are the components that have failed, Earlier the last failures of
	// components that were tried again.
	Failures, Earlier []ComponentFailure
	// Strayed says that the device counts as upgraded and runs another version of a
	// component than its target, by what it said last.
	Strayed bool
}

// ComponentFailure is why a component failed in an attempt.
type ComponentFailure struct {
	Component string
	Attempt   int // 0 if only an older version knows, and where the device never had the plan
	ota.Failure
}

// Filter chooses rows. The zero value chooses all.
type Filter struct {
	Prefix        string            // of the device key
	Status        *ota.DeviceStatus // nil for any
	Online        *bool             // nil for both
	Offset, Limit int               // of the rows chosen; a limit of 0 means all
}

// Devices lists a plan's devices by their keys (ota.CompareKeys), and says how many
// the filter chooses without its limit. Nil if the plan is
// unknown. Where the plan's own counts tell how many there are, the search
// ends with the last row wanted.
func (e *Engine) Devices(planID string, f Filter) (rows []DeviceRow, chosen int) {
	p := e.plans[planID]
	if p == nil {
		return nil, 0
	}
	total, counted := p.chosenBy(&f)
	for _, d := range p.product.order() {
		if counted && (chosen == total || f.Limit > 0 && len(rows) == f.Limit) {
			return rows, total
		}
		if !f.admits(d) {
			continue
		}
		t := d.task(p)
		if t == nil && !p.covers(d) || f.Status != nil && *f.Status != p.statusOf(t) {
			continue
		}
		if chosen >= f.Offset && (f.Limit <= 0 || len(rows) < f.Limit) {
			rows = append(rows, p.row(d, t))
		}
		chosen++
	}
	return rows, chosen
}

// admits is the part of the filter that needs no plan.
func (f *Filter) admits(d *device) bool {
	return strings.HasPrefix(d.key, f.Prefix) && (f.Online == nil || *f.Online == d.online)
}

// chosenBy is how many devices a filter chooses, if the counts tell.
func (p *plan) chosenBy(f *Filter) (n int, counted bool) {
	switch counts := p.counts(); {
	case f.Prefix != "" || f.Online != nil:
		return 0, false
	case f.Status == nil:
		return counts.Total(), true
	case int(*f.Status) < len(counts):
		return counts[*f.Status], true
	}
	return 0, true
}

// statusOf is the status of a device with this task, or without one.
func (p *plan) statusOf(t *task) ota.DeviceStatus {
	if t == nil {
		return p.untouched()
	}
	return t.status
}

func (p *plan) row(d *device, t *task) DeviceRow {
	row := DeviceRow{Key: d.key, Online: d.online, Status: p.statusOf(t)}
	if t != nil {
		row.Attempt, row.LastSeq = t.attempt, t.seq
		row.Started, row.Ended, row.Strayed = t.started.time(), t.finished.time(), t.strayed()
		row.Failures, row.Earlier = t.failures()
	} else if row.Status == ota.DeviceUpgradeFailed {
		never := &task{device: d, plan: p, parts: make([]part, len(p.components))}
		row.Failures, _ = never.failures()
	}
	return row
}

// failures lists what has failed, and what had before it was tried again.
func (t *task) failures() (now, earlier []ComponentFailure) {
	for i := range t.parts {
		c := t.component(i)
		if c.Failure != nil {
			now = append(now, ComponentFailure{c.ID, c.FailedIn, *c.Failure})
		}
		if c.Earlier != nil {
			earlier = append(earlier, ComponentFailure{c.ID, c.EarlierIn, *c.Earlier})
		}
	}
	return now, earlier
}
