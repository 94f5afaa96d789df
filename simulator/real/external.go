package real

import (
	"slices"
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// external is what a platform knows of a device, by its own acknowledgements: one that
// cannot be looked into, or whose dialect does not carry reports as they were made.
type external struct {
	stored model.Numbers
	plans  []externalPlan // that the device has had, in their order
}

// externalPlan is what is known of one plan. An acknowledgement may come when the
// device has another current plan.
type externalPlan struct {
	plan   *ota.Plan
	parts  []ota.ComponentState // of the plan's components
	status ota.DeviceStatus
}

// mostExternal is of how many plans of a device it is known: more than an agent tells of.
const mostExternal = agent.MaxPast + 8

// had notes a plan that the device has in hand.
func (t *external) had(plan *ota.Plan) {
	if p := t.of(plan.ID); p != nil {
		p.hold(plan)
		return
	}
	if len(t.plans) == mostExternal {
		t.plans = slices.Delete(t.plans, 0, 1)
	}
	t.plans = append(t.plans, externalPlan{plan: plan, parts: make([]ota.ComponentState, len(plan.Components))})
}

// of finds what is known of a plan; nil if the device never had it in hand.
func (t *external) of(plan string) *externalPlan {
	for i := range t.plans {
		if t.plans[i].plan.ID == plan {
			return &t.plans[i]
		}
	}
	return nil
}

// hold takes the plan in its present form: with other components, what was known
// of it is worth nothing.
func (p *externalPlan) hold(plan *ota.Plan) {
	p.plan = plan
	if len(p.parts) != len(plan.Components) {
		p.parts = make([]ota.ComponentState, len(plan.Components))
	}
}

// take works out the device's status after more reports, and tells whether it is
// another one. Whether a retry is left only the platform knows: a failure counts as
// the end until another report comes.
func (p *externalPlan) take(reports []*ota.Report) (changed bool) {
	for _, r := range reports {
		if k := p.plan.Component(r.Component); k >= 0 {
			p.parts[k].Status = r.Status
		}
	}
	was := p.status
	p.status = ota.ComputeDevice(p.parts)
	return p.status != was
}

// acked records which reports the platform has stored, and what the device's
// status under their plan must be there.
func (d *device) acked(ack *ota.Ack) {
	reports, status, changed := d.learn(ack)
	for _, r := range reports {
		d.record(verdict.ReportEvent(0, verdict.Stored, d.ID.Device, r))
	}
	if changed && d.world.platform == nil {
		d.record(verdict.Event{Kind: verdict.StatusIs, Plan: ack.Plan, N: int64(status)})
	}
}

// learn takes the reports that an acknowledgement is the first for.
func (d *device) learn(ack *ota.Ack) (reports []*ota.Report, status ota.DeviceStatus, changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	saved := d.Memory.Reports() // which nothing changes
	for i := range saved {
		if r := &saved[i]; r.Plan == ack.Plan && r.Seq <= ack.Seq && d.external.stored.Raise(r.Plan, r.Seq) {
			reports = append(reports, r)
		}
	}
	plan := d.external.of(ack.Plan)
	if plan == nil {
		return reports, 0, false
	}
	changed = plan.take(reports)
	return reports, plan.status, changed
}

// byAcks reports whether only acknowledgements tell which reports the platform has.
func (w *world) byAcks() bool { return w.platform == nil || !w.dialect.IsNative() }

// observe records a fact of the fake platform. Of a dialect that does not carry reports
// it has those that it has made up itself.
func (w *world) observe(now time.Time, fact engine.Output) {
	if _, report := fact.(engine.Recorded); !report || !w.byAcks() {
		w.recorder.observe(now, fact)
	}
}

// names are what the scenario calls the plans of a device. The zero value has none.
type names struct {
	mu    sync.Mutex // guards the following
	known model.PlanNames
}

// learn takes a plan that the device is given.
func (n *names) learn(w *world, f *scenario.Fleet, plan *ota.Plan) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known.Learn(w.scenario, f, plan)
}

// of is the name of a plan; its id if it has no other.
func (n *names) of(id string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known.Of(id)
}

// count is how many plans the device has heard of.
func (n *names) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.known)
}
