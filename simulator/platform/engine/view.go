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
		views = append(views, p.view())
	}
	return views
}

// Plan gives one plan; false if there is none of that id.
func (e *Engine) Plan(id string) (PlanView, bool) {
	p := e.plans[id]
	if p == nil {
		return PlanView{}, false
	}
	return p.view(), true
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
}

// Filter chooses rows. The zero value chooses all.
type Filter struct {
	Prefix        string            // of the device key
	Status        *ota.DeviceStatus // nil for any
	Online        *bool             // nil for both
	Offset, Limit int               // of the rows chosen; a limit of 0 means all
}

func (f *Filter) chooses(r *DeviceRow) bool {
	return strings.HasPrefix(r.Key, f.Prefix) &&
		(f.Status == nil || *f.Status == r.Status) && (f.Online == nil || *f.Online == r.Online)
}

// Devices lists a plan's devices, in the order in which the platform learnt of
// them, and says how many the filter chooses without its limit. Nil if there is
// no such plan.
func (e *Engine) Devices(planID string, f Filter) (rows []DeviceRow, chosen int) {
	p := e.plans[planID]
	if p == nil {
		return nil, 0
	}
	for _, d := range p.product.devices {
		if !p.covers(d) && d.task(p) == nil {
			continue
		}
		row := p.row(d)
		if !f.chooses(&row) {
			continue
		}
		if chosen >= f.Offset && (f.Limit <= 0 || len(rows) < f.Limit) {
			rows = append(rows, row)
		}
		chosen++
	}
	return rows, chosen
}

func (p *plan) row(d *device) DeviceRow {
	row := DeviceRow{Key: d.key, Online: d.online, Status: p.untouched()}
	if t := d.task(p); t != nil {
		row.Status, row.Attempt, row.LastSeq = t.status, t.attempt, t.seq
		row.Started, row.Ended = t.started.time(), t.finished.time()
	}
	return row
}

// ComponentView is one component of a device under a plan.
type ComponentView struct {
	ID       string
	Type     ota.ComponentType
	Source   string // of a delta; empty for a full package
	Target   string
	Status   ota.Status
	Stage    ota.Stage
	Progress int // percent
	Times    int // how often its upgrade was tried
	Failure  *ota.Failure
}

// LogLine is one line of a device's log under a plan.
type LogLine struct {
	At        time.Time // to the second
	Component string    // empty for the device as a whole
	Text      string
}

// DeviceView is one device under one plan.
type DeviceView struct {
	DeviceRow
	Components []ComponentView
	Log        []LogLine // oldest first, the last 128
}

// Device gives a device's details under a plan; false if the plan does not
// count that device.
func (e *Engine) Device(planID, key string) (DeviceView, bool) {
	p := e.plans[planID]
	if p == nil {
		return DeviceView{}, false
	}
	d := p.product.byKey[key]
	if d == nil || !p.covers(d) && d.task(p) == nil {
		return DeviceView{}, false
	}
	view := DeviceView{DeviceRow: p.row(d)}
	t := d.task(p)
	if t == nil {
		t = &task{device: d, plan: p, parts: make([]part, len(p.components))}
	}
	for i := range t.parts {
		view.Components = append(view.Components, t.component(i))
	}
	for _, line := range t.log {
		l := LogLine{At: line.at.time(), Text: e.text(line)}
		if line.part > 0 {
			l.Component = p.components[line.part-1].ID
		}
		view.Log = append(view.Log, l)
	}
	return view, true
}

func (t *task) component(i int) ComponentView {
	p, c := &t.parts[i], &t.plan.components[i]
	status := t.shown(i)
	v := ComponentView{
		ID: c.ID, Type: c.Type, Target: c.Target, Status: status, Stage: status.Row().Stage,
		Progress: int(p.percent), Times: int(p.times), Failure: p.failure,
	}
	if c.Package == ota.Delta {
		v.Source = c.Sources[0]
	}
	if status.Done() {
		v.Progress = 100
	}
	return v
}

// Versions is what a device last reported of its components; false if the
// platform has not heard of the device.
func (e *Engine) Versions(id ota.Identity) ([]ota.ComponentVersion, bool) {
	d := e.known(id)
	if d == nil {
		return nil, false
	}
	versions := make([]ota.ComponentVersion, 0, len(d.components))
	for _, c := range d.components {
		versions = append(versions, ota.ComponentVersion{ID: c.id, Type: c.kind, Version: c.version})
	}
	return versions, true
}
