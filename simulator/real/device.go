package real

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/verdict"
)

// device is a virtual device: what survives a power cut, and the boot that it is
// in while it has power.
type device struct {
	model.Device // immutable, but for its memory
	world        *world
	link         *netem.Link
	member       *memberSession // of a device behind a gateway; nil for one with a session of its own
	behind       []*device      // for which it speaks
	flashes      []*flash       // one for each component of the fleet

	names   names        // of its plans
	waiting atomic.Int32 // things will happen to it that many times
	boots   int32        // of the system, guarded by mu; the boot id

	mu        sync.Mutex // guards the following, and the memory
	external  external   // what the platform knows, by its acknowledgements
	secret    string     // that a quecthing platform has given it; empty before that
	current   *boot      // nil without power
	offUntil  time.Time  // no power until then
	gone      bool       // no power ever again
	connected bool
	reached   bool // it was connected once
	met       bool // the platform, which has said something to it
	judged    bool // at the end of the run
}

// newDevice makes a device, without power.
func newDevice(w *world, m model.Member) *device {
	d := &device{world: w, Device: model.NewDevice(m, w.seed, w.machines, w.faults)}
	d.link = netem.NewLink(model.NewLine(&m.Fleet.Link, w.seed, d.ID.Device), w.elapsed, w.random, w.dialers.Of(m.N),
		w.transport)
	for i := range m.Fleet.Components {
		d.flashes = append(d.flashes, &flash{
			chunks: &w.chunks, slots: model.FactorySlots(m.Fleet, m.N, i),
			install: model.InstallTime(m.Fleet, w.seed, d.ID.Device, i), wrong: d.violation,
		})
	}
	return d
}

// newSubDevice makes a device that its gateway speaks for.
func newSubDevice(w *world, m model.Member, gateway *device) *device {
	d := newDevice(w, m)
	d.link = gateway.link
	d.member = &memberSession{device: d, gateway: gateway, index: len(gateway.behind)}
	gateway.behind = append(gateway.behind, d)
	return d
}

// runs is the version of a component by its place.
func (d *device) runs(i int) string { return d.flashes[i].version() }

// record notes what has happened to the device. One that the run does not
// have is left out.
func (d *device) record(e verdict.Event) {
	if d.Extra {
		return
	}
	e.Device, e.Plan = d.ID.Device, d.names.of(e.Plan)
	d.world.recorder.add(e)
}

func (d *device) violation(text string) { d.record(verdict.Event{Kind: verdict.Violation, Text: text}) }

// store is the device's memory as one boot writes it.
type store struct {
	device   *device
	machine  *agent.Machine    // of the boot, which calls from one goroutine at a time
	ctx      context.Context   // of the boot
	reported func(*ota.Report) // called with each report that is new in a state
}

// Save keeps the machine's state (agent.Store). When the device has been judged, its time
// stands still: reports of later would be none that the device had, and the platform
// would have them all the same.
func (j store) Save(s *agent.State) error {
	reports, before, judged := j.device.keep(s)
	if judged {
		<-j.ctx.Done()
		return context.Canceled
	}
	if before != s {
		j.machine.Reclaim(before)
	}
	for _, r := range reports {
		if e, untrue := j.device.Untrue(s, r, j.device.runs); untrue {
			j.device.record(e)
		}
		j.device.record(verdict.ReportEvent(0, verdict.Numbered, j.device.ID.Device, r))
		j.reported(r)
	}
	return nil
}

// keep keeps a state and returns the reports that no state before it had, and the state
// in whose place it is: nothing reads that any more. Of a device that has been judged it
// keeps none.
func (d *device) keep(s *agent.State) (fresh []*ota.Report, before *agent.State, judged bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.judged {
		return nil, nil, true
	}
	before = d.Memory.State
	if s.Run != nil && d.world.byAcks() {
		d.external.had(s.Run.Plan)
	}
	s.Ended = d.world.shared.ended(s.Ended)
	d.external.stored.Prune(s)
	return slices.Clone(d.Memory.Save(s)), before, false // read without the lock
}

// KeepPackage keeps an address (agent.Desk).
func (d *device) KeepPackage(p *ota.Package) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Memory.KeepPackage(p)
	return nil
}

// KeptPackage returns a kept address.
func (d *device) KeptPackage(component string) *ota.Package {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Memory.KeptPackage(component)
}

// ForgetPackage drops a kept address.
func (d *device) ForgetPackage(component string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Memory.ForgetPackage(component)
}

// Restart restarts the agent or the device (agent.Power). It is called by the
// boot that it ends, which it must not wait for.
func (d *device) Restart(_ context.Context, scope firmware.Restart) error {
	d.powerOff(nil, model.RestartTime(scope), scope == firmware.RestartSystem)
	return nil
}

// Busy is the component in work (fault.Control).
func (d *device) Busy() (component string, install time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.Memory.Working()
	if i < 0 {
		return "", 0
	}
	return d.Fleet.Components[i].ID, d.flashes[i].install
}

// Remeasure lets the agent look at its sensors, and gives it time to ask for its
// plan again (fault.Control).
func (d *device) Remeasure() {
	if l := d.booted(); l != nil {
		l.measure()
	}
	d.unsettle()
}

// unsettle keeps the device from being settled for as long as a fleet must be quiet.
func (d *device) unsettle() { d.After(d.world.quiet, func() {}) }

// After does something after a time, unless the run ends before (fault.Control).
// Until then the device is not settled.
func (d *device) After(delay time.Duration, do func()) {
	d.waiting.Add(1)
	d.world.tasks.Add(1)
	wait(d.world.ctx, delay, do, func() {
		d.waiting.Add(-1)
		d.world.tasks.Done()
	})
}

// settled reports whether nothing more will happen to the device by itself.
func (d *device) settled() bool {
	if d.waiting.Load() > 0 {
		return false
	}
	status, lost := d.world.recorder.status(d.ID.Device), d.link.IsLost() || d.member != nil && d.member.gateway.isGone()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone || lost || d.Extra {
		return true
	}
	if s, is := d.world.face.(*staged); is && d.names.count() < s.actions(d.ID.Device) {
		return false // it has not heard of all that it was given
	}
	delivered := !slices.ContainsFunc(d.Memory.Reports(), func(r ota.Report) bool {
		return r.Seq > d.external.stored.Last(r.Plan) // every report is acknowledged, or known all the same
	})
	switch status {
	case ota.DeviceUpgrading:
		return false
	case ota.DeviceNotUpgraded:
		return delivered && d.connected
	}
	return delivered && d.current != nil
}

// written is how many verified bytes were put in place over the device's boots.
func (d *device) written() int64 {
	var n int64
	for _, f := range d.flashes {
		n += f.writtenBytes()
	}
	return n
}
