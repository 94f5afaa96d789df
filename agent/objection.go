package agent

import (
	"fmt"

	"otafleet/internal/ota"
)

// objection says why the device cannot agree to the plan in hand now; nil if it
// can.
func (m *Machine) objection() *refusal {
	plan := m.state.Run.Plan
	if !plan.Ends.IsZero() && !m.now.Before(plan.Ends) {
		return &refusal{reason: ota.ReasonExpired, detail: "the plan ended at " + plan.Ends.UTC().Format("2006-01-02 15:04:05Z")}
	}
	for i := range plan.Components {
		if r := m.incompatible(i); r != nil {
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
func (m *Machine) incompatible(i int) *refusal {
	run := m.state.Run
	c := &run.Plan.Components[i]
	no := func(format string, args ...any) *refusal {
		return &refusal{reason: ota.ReasonIncompatible, detail: fmt.Sprintf(format, args...)}
	}
	k := m.state.component(c.ID)
	if k < 0 {
		return no("component %s: the device has none", c.ID)
	}
	if have := m.config.Components[k].Type; have != c.Type {
		return no("component %s: is of type %s, not %s", c.ID, have, c.Type)
	}
	version := m.state.Components[k].Version
	switch {
	case version == "":
		return no("component %s: does not say which version it runs", c.ID)
	case run.Parts[i].Status.Done() || version == c.Target || c.StartsFrom(version):
		return nil
	}
	return no("component %s: runs %s, the package starts from %v", c.ID, version, c.Sources)
}

// irrevocable says which component could be asked to go back and cannot: under
// on_failure revert each one can, but the last that is upgraded.
func (m *Machine) irrevocable() *refusal {
	run := m.state.Run
	if run.Plan.OnFailure != ota.Revert {
		return nil
	}
	found := -1
	for i, c := range run.Plan.Components {
		if run.Parts[i].Status.Done() || m.version(c.ID) == c.Target {
			continue
		}
		if found >= 0 {
			first := run.Plan.Components[found].ID
			return &refusal{reason: ota.ReasonIncompatible, detail: fmt.Sprintf(
				"component %s: cannot go back if %s fails after it; put it last, or use another on_failure than revert", first, c.ID)}
		}
		if m.irreversible(i) {
			found = i
		}
	}
	return nil
}

// irreversible reports whether the component of part i cannot go back.
func (m *Machine) irreversible(i int) bool {
	k := m.state.component(m.state.Run.Plan.Components[i].ID)
	return k >= 0 && m.config.Components[k].Irreversible
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
		return &refusal{reason: ota.ReasonSpace, detail: fmt.Sprintf("%s free, %s too few", ota.FormatSize(*r.FreeBytes), ota.FormatSize(c.Space-*r.FreeBytes))}
	}
	return nil
}
