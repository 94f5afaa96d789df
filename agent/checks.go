package agent

import (
	"fmt"

	"otafleet/internal/ota"
)

// checks lists what a plan depends on, for the current plan.
func (m *Machine) checks() []Check {
	need := m.config.Conditions
	if run := m.state.Run; run != nil {
		need = need.With(run.Plan.Conditions)
	}
	r := &m.readings
	list := []Check{
		{Name: "pause", Holds: m.state.Paused == nil, Have: choose(m.state.Paused != nil, "paused", "")},
		{Name: "busy", Holds: !r.Busy, Have: choose(r.Busy, "busy", "")},
		{Name: "connection", Holds: m.connected, Have: choose(m.connected, "connected", "not connected")},
		reading("battery", "%d %%", r.Battery, need.MinBattery),
		reading("signal", "%d dBm", r.RSSI, need.MinRSSI),
		m.spaceCheck(need.Space),
	}
	if len(m.config.Windows) > 0 {
		list = append(list, m.windowCheck())
	}
	return list
}

func (m *Machine) windowCheck() Check {
	if opens, shut := m.closed(); shut {
		return Check{Name: "window", Have: choose(opens.IsZero(), neverOpens,
			"opens at "+opens.Format("2006-01-02 15:04 MST"))}
	}
	_, to := spanAt(m.config.Windows, m.now)
	return Check{Name: "window", Holds: true, Have: "open until " + to.Format("2006-01-02 15:04 MST")}
}

func (m *Machine) spaceCheck(need int64) Check {
	c := Check{Name: "space", Holds: m.readings.FreeBytes == nil || *m.readings.FreeBytes >= need}
	if m.readings.FreeBytes != nil {
		c.Have = ota.FormatSize(*m.readings.FreeBytes)
	}
	if need > 0 {
		c.Need = ota.FormatSize(need)
	}
	return c
}

// reading holds what is measured against what is needed. What is not measured
// holds.
func reading(name, form string, have, need *int) Check {
	c := Check{Name: name, Holds: have == nil || need == nil || *have >= *need}
	if have != nil {
		c.Have = fmt.Sprintf(form, *have)
	}
	if need != nil {
		c.Need = fmt.Sprintf(form, *need)
	}
	return c
}

func choose(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
