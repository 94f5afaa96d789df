package simulator

import (
	"otafleet/internal/ota"
	"otafleet/simulator/verdict"
)

// told is what a platform that cannot be looked into knows of a device, by its
// own acknowledgements.
type told struct {
	stored numbers
	plan   string
	parts  []ota.ComponentState
}

// acked records which reports the platform has stored, and what the device's
// status must be there.
func (d *device) acked(ack *ota.Ack) {
	reports, status, known := d.learn(ack)
	for i := range reports {
		d.record(verdict.ReportEvent(0, verdict.Stored, d.id.Device, &reports[i]))
	}
	if known {
		d.record(verdict.Event{Kind: verdict.StatusIs, Plan: ack.Plan, N: int64(status)})
	}
}

// learn takes the reports that an acknowledgement is the first for. The status
// is known of the plan in hand only.
func (d *device) learn(ack *ota.Ack) (reports []ota.Report, status ota.DeviceStatus, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.saved.Reports {
		if r := &d.saved.Reports[i]; r.Plan == ack.Plan && r.Seq <= ack.Seq && d.told.stored.raise(r.Plan, r.Seq) {
			reports = append(reports, *r)
		}
	}
	run := d.saved.Run
	if run == nil || run.Plan.ID != ack.Plan {
		return reports, 0, false
	}
	return reports, d.told.status(run.Plan, reports), true
}

// status is the device's status after more reports. Whether a retry is left only
// the platform knows: a failure counts as the end until another report comes.
func (t *told) status(plan *ota.Plan, reports []ota.Report) ota.DeviceStatus {
	if t.plan != plan.ID || len(t.parts) != len(plan.Components) {
		t.plan, t.parts = plan.ID, make([]ota.ComponentState, len(plan.Components))
	}
	for i := range reports {
		if k := plan.Component(reports[i].Component); k >= 0 {
			t.parts[k].Status = reports[i].Status
		}
	}
	return ota.ComputeDevice(t.parts)
}
