package model

import (
	"context"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// Settings are what the machines of a scenario's devices know.
type Settings struct {
	scenario *scenario.Scenario
	dialect  Dialect
	fleets   []agent.Config
}

// NewSettings returns the settings of devices that speak a dialect and verify packages
// by open.
func NewSettings(s *scenario.Scenario, d Dialect, open func(ota.Envelope) (*ota.Manifest, error)) *Settings {
	x := &Settings{scenario: s, dialect: d}
	for i := range s.Fleets {
		config := MachineConfig(&s.Fleets[i])
		config.Open = open
		d.configure(&config, s, &s.Fleets[i])
		x.fleets = append(x.fleets, config)
	}
	return x
}

// of are those of a device. A fleet's devices share them, but for those that a gateway
// speaks for, or that have a hardware of their own.
func (x *Settings) of(m Member) *agent.Config {
	shared, revision := &x.fleets[m.Index], m.Fleet.Revision(m.N)
	if m.Fleet.Behind == "" && revision == shared.Hardware {
		return shared
	}
	own := *shared
	own.Hardware = revision
	if m.Fleet.Behind != "" {
		gateways, k := x.scenario.Gateway(m.Fleet, m.N)
		own.Via = gateways.Device(k)
	}
	return &own
}

// Device is what a device of a run is in either world: what is drawn for it, and what
// is on its disk.
type Device struct {
	Member
	ID     ota.Identity
	Config *agent.Config
	Faults []*fault.Injection
	Memory Memory

	dialect  Dialect
	readings agent.Readings
	none     ota.NoPlanReason // what the platform last said instead of a plan
}

// NewDevice makes a device that has never run.
func NewDevice(m Member, seed uint64, x *Settings, faults *fault.Set) Device {
	d := Device{Member: m, ID: m.Fleet.Identity(m.N), Config: x.of(m), Faults: faults.Draw(m.Fleet, m.N),
		Memory: NewMemory(m.Fleet, m.N)}
	d.dialect = x.dialect
	d.readings = Readings(m.Fleet, seed, d.ID.Device)
	return d
}

// Read gives what the device measures (agent.Sensors).
func (d *Device) Read(context.Context) agent.Readings { return d.readings }

// Check finds the device healthy (agent.Health); faults find it otherwise.
func (d *Device) Check(context.Context) error { return nil }

// Hooks are the interfaces of the device's agent with its faults at them. What is left
// to the world is how messages go either way, and what faults do to the device.
func (d *Device) Hooks(link agent.Link, deliver func(agent.Input), control fault.Control) fault.Hooks {
	hooks := fault.Hooks{
		Exchange: func(*fault.Exchange) {},
		Request:  func(*fault.Request) {},
		Operate:  func(string, fault.Operation) error { return nil },
		Version:  func(_, runs string) string { return runs },
		Clock:    func(now time.Time) time.Time { return now },
		Health:   d, Sensors: d, Link: link, Deliver: deliver, Control: control,
		Reported: func(*ota.Report) {},
	}
	for _, f := range d.Faults {
		hooks = f.Decorate(hooks)
	}
	return hooks
}

// Heard is the event of a message from the platform; false for what no history tells
// of: a NoPlan that says nothing new, and everything that is as it should be.
func (d *Device) Heard(m ota.Down) (verdict.Event, bool) {
	switch m := m.(type) {
	case *ota.NoPlan:
		if m.Reason != d.none {
			d.none = m.Reason
			return verdict.Event{Kind: verdict.NoPlan, Text: string(m.Reason)}, true
		}
	case *ota.Ack:
		if fault := Overreach(m, d.Memory.Numbered(m.Plan)); fault != "" {
			return verdict.Event{Kind: verdict.Violation, Text: fault}, true
		}
	}
	return verdict.Event{}, false
}

// Untrue is the violation of a report that is not so in the moment in which it is made;
// false if it is so. runs gives the version of a component by its place.
func (d *Device) Untrue(saved *agent.State, r *ota.Report, runs func(i int) string) (verdict.Event, bool) {
	i := d.Memory.Component(r.Component)
	if i < 0 {
		return verdict.Event{}, false
	}
	text := Violation(saved, r, runs(i))
	return verdict.Event{Kind: verdict.Violation, Text: text}, text != ""
}

// Last are the events of the end of the run: the reports that the device still has, and
// violations for what it has said and is not so.
func (d *Device) Last(runs func(i int) string) []verdict.Event {
	events := Unacknowledged(d.Memory.State)
	for i := range events {
		if !d.dialect.IsNative() && underWay(d.Memory.State, events[i].Plan) {
			events[i].Text = verdict.UntilEnd
		}
	}
	for _, text := range Violations(d.Memory.State, func(component string) (string, bool) {
		i := d.Memory.Component(component)
		if i < 0 {
			return "", false
		}
		return runs(i), true
	}) {
		events = append(events, verdict.Event{Kind: verdict.Violation, Text: text})
	}
	return events
}
