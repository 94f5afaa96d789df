package real

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/verdict"
)

// device is a virtual device: what of it outlives a power cut, and the life that
// it leads while it has power.
type device struct {
	// Immutable.
	world    *world
	fleet    *fleet
	id       ota.Identity
	machine  *agent.Config
	link     *netem.Link
	voice    *voice    // of a device behind a gateway; nil for one with a session of its own
	behind   []*device // for which it speaks
	unasked  bool      // it is only there to speak for others
	flashes  []*flash  // one for each component of the fleet
	readings agent.Readings
	faults   []*fault.Injection

	waiting atomic.Int32 // things will happen to it that many times

	mu        sync.Mutex // guards the following
	memory    model.Memory
	told      told      // what a platform of others knows
	boots     int       // of the system; the boot id
	life      *life     // nil without power
	dark      time.Time // no power until then
	gone      bool      // no power ever again
	connected bool
	reached   bool             // it was connected once
	none      ota.NoPlanReason // what the platform last said instead of a plan
	met       bool             // the platform, which has said something to it
}

// newDevice makes a device, without power.
func newDevice(w *world, m member) *device {
	spec := m.fleet.spec
	d := &device{world: w, fleet: m.fleet, id: m.identity(), machine: m.fleet.machine, faults: w.faults.Draw(spec, m.n), memory: model.NewMemory(spec)}
	d.link = netem.NewLink(spec.Link, w.random, w.dialers.Of(m.n), w.transport)
	d.readings = model.Readings(spec, w.seed, d.id.Device)
	for i := range spec.Components {
		d.flashes = append(d.flashes, &flash{
			chunks: &w.chunks, slots: model.FactorySlots(spec, i), install: model.InstallTime(spec, w.seed, d.id.Device, i), wrong: d.violation,
		})
	}
	return d
}

// newSubDevice makes a device that its gateway speaks for.
func newSubDevice(w *world, m member, gateway *device) *device {
	d := newDevice(w, m)
	d.link = gateway.link
	d.voice = &voice{device: d, gateway: gateway, index: len(gateway.behind)}
	own := *d.machine
	own.Via = gateway.id.Device
	d.machine = &own
	gateway.behind = append(gateway.behind, d)
	return d
}

// record notes what has happened to the device. Of one that the run does not
// have nobody is told.
func (d *device) record(e verdict.Event) {
	if d.unasked {
		return
	}
	e.Device = d.id.Device
	d.world.recorder.add(e)
}

func (d *device) violation(text string) { d.record(verdict.Event{Kind: verdict.Violation, Text: text}) }

// journal is the device's memory as one life writes it.
type journal struct {
	device   *device
	reported func(*ota.Report) // told of each report that is new in a state
}

// Save keeps the machine's state (agent.Store).
func (j journal) Save(s *agent.State) error {
	reports := j.device.keep(s)
	for _, r := range reports {
		j.device.watch(s, r)
		j.device.record(verdict.ReportEvent(0, verdict.Numbered, j.device.id.Device, r))
		j.reported(r)
	}
	return nil
}

// watch holds that a report of success or failure is true when it is made.
func (d *device) watch(s *agent.State, r *ota.Report) {
	if i := d.memory.Component(r.Component); i >= 0 {
		if lie := model.Violation(s, r, d.flashes[i].version()); lie != "" {
			d.violation(lie)
		}
	}
}

// keep keeps a state and returns the reports that no state before it had.
func (d *device) keep(s *agent.State) []*ota.Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.Run != nil && d.world.platform == nil {
		d.told.had(s.Run.Plan)
	}
	return d.memory.Save(s)
}

// KeepPackage keeps an address (agent.Desk).
func (d *device) KeepPackage(p *ota.Package) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.memory.KeepPackage(p)
	return nil
}

// KeptPackage returns a kept address.
func (d *device) KeptPackage(component string) *ota.Package {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.memory.KeptPackage(component)
}

// ForgetPackage drops a kept address.
func (d *device) ForgetPackage(component string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.memory.ForgetPackage(component)
}

// Read gives what the device measures (agent.Sensors).
func (d *device) Read(context.Context) agent.Readings { return d.readings }

// Check finds the device healthy (agent.Health); faults find it otherwise.
func (d *device) Check(context.Context) error { return nil }

// Restart restarts the agent or the device (agent.Power). It is called by the
// life that it ends, which it must not wait for.
func (d *device) Restart(_ context.Context, scope firmware.Restart) error {
	d.endLife(nil, model.RestartTime(scope), scope == firmware.RestartSystem)
	return nil
}

// Busy is the component in work (fault.Control).
func (d *device) Busy() (component string, install time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.memory.Working()
	if i < 0 {
		return "", 0
	}
	return d.fleet.spec.Components[i].ID, d.flashes[i].install
}

// Remeasure lets the agent look at its sensors, and gives it time to ask for its
// plan again (fault.Control).
func (d *device) Remeasure() {
	if l := d.currentLife(); l != nil {
		l.measure()
	}
	d.After(d.world.quiet, func() {})
}

// After does something after a time, unless the run ends before (fault.Control).
// Until then the device is not settled.
func (d *device) After(delay time.Duration, do func()) {
	d.waiting.Add(1)
	d.world.tasks.Go(func() {
		defer d.waiting.Add(-1)
		netem.Sleep(d.world.ctx, delay)
		if d.world.ctx.Err() == nil {
			do()
		}
	})
}

// settled reports whether nothing more will happen to the device by itself.
func (d *device) settled() bool {
	if d.waiting.Load() > 0 {
		return false
	}
	status, lost := d.world.recorder.status(d.id.Device), d.link.IsLost() || d.voice != nil && d.voice.gateway.isGone()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone || lost || d.unasked {
		return true
	}
	delivered := len(d.memory.Reports()) == 0 // every report is acknowledged
	switch status {
	case ota.DeviceUpgrading:
		return false
	case ota.DeviceNotUpgraded:
		return delivered && d.connected
	}
	return delivered && d.life != nil
}

// written is how many verified bytes were put in place over the device's lives.
func (d *device) written() int64 {
	var n int64
	for _, f := range d.flashes {
		n += f.writtenBytes()
	}
	return n
}
