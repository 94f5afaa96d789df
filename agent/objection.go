package agent

import (
	"fmt"

	"otafleet/internal/ota"
)

// objection says why the device cannot accept the current plan now; nil if it
// can.
func (m *Machine) objection() *refusal {
	plan := m.state.Run.Plan
	if !plan.Ends.IsZero() && !m.now.Before(plan.Ends) {
		return &refusal{reason: ota.ReasonExpired, detail: "the plan ended at " +
			plan.Ends.UTC().Format("2006-01-02 15:04:05Z")}
	}
	for i := range plan.Components {
		if r := m.task(i).incompatible(); r != nil {
			return r
		}
	}
	if !m.needsWork() {
		return nil
	}
	if r := m.irrevocable(); r != nil {
		return r
	}
	return m.unready(m.config.Conditions.With(plan.Conditions))
}

// incompatible says why a component of the plan does not fit the device.
func (t task) incompatible() *refusal {
	c := t.wants
	no := func(format string, args ...any) *refusal {
		return &refusal{reason: ota.ReasonIncompatible, detail: fmt.Sprintf(format, args...)}
	}
	if t.has == nil {
		return no("component %s: the device has none", c.ID)
	}
	if have := t.made.Type; have != c.Type {
		return no("component %s: is of type %s, not %s", c.ID, have, c.Type)
	}
	version := t.has.Version
	switch {
	case version == "":
		return no("component %s: does not say which version it runs", c.ID)
	case t.Status.Done() || version == c.Target || c.StartsFrom(version):
		return nil
	}
	return no("component %s: runs %s, the package starts from %v", c.ID, version, c.Sources)
}

// irrevocable says which component could be asked to roll back and cannot: under
// on_failure revert each one can, but the last that is upgraded.
func (m *Machine) irrevocable() *refusal {
	run := m.state.Run
	if run.Plan.OnFailure != ota.Revert {
		return nil
	}
	first := ""
	for i := range run.Parts {
		t := m.task(i)
		if t.Status.Done() || t.runs() == t.wants.Target {
			continue
		}
		if first != "" {
			return &refusal{reason: ota.ReasonIncompatible, detail: fmt.Sprintf(
				"component %s: cannot roll back if %s fails after it; put it last, or use another on_failure than revert", first,
				t.wants.ID)}
		}
		if t.irreversible() {
			first = t.wants.ID
		}
	}
	return nil
}

// unready says which condition does not hold at the moment. A condition without
// a sensor holds.
func (m *Machine) unready(c ota.Conditions) *refusal {
	r := &m.readings
	if r := m.paused(); r != nil {
		return r
	}
	switch {
	case r.Busy:
		return &refusal{reason: ota.ReasonBusy, detail: "the device asks not to be disturbed"}
	case c.MinBattery != nil && r.Battery != nil && *r.Battery < *c.MinBattery:
		return &refusal{reason: ota.ReasonBattery, detail: fmt.Sprintf("%d %% < %d %%", *r.Battery, *c.MinBattery)}
	case c.MinRSSI != nil && r.RSSI != nil && *r.RSSI < *c.MinRSSI:
		return &refusal{reason: ota.ReasonSignal, detail: fmt.Sprintf("%d dBm < %d dBm", *r.RSSI, *c.MinRSSI)}
	case r.FreeBytes != nil && *r.FreeBytes < c.Space:
		return &refusal{reason: ota.ReasonSpace, detail: fmt.Sprintf("%s free, %s too few", ota.FormatSize(*r.FreeBytes),
			ota.FormatSize(c.Space-*r.FreeBytes))}
	}
	return nil
}
