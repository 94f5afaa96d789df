package virtual

import (
	"context"
	"fmt"
	"time"

	"otafleet/agent"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/verdict"
)

// device is a virtual device: what survives a power cut, and the boot that it is
// in while it has power.
type device struct {
	model.Device
	world   *world
	line    link  // its own, unless a gateway speaks for it
	link    *link // that carries its messages
	judge   *verdict.DeviceJudge
	history []verdict.Event // kept if there is a sink
	session session         // of one that speaks the native dialect
	talk    conversation
	names   model.PlanNames // that the scenario has for its plans
	flashes []flash         // one for each component of the fleet
	random  random

	answers  []userAnswer // that its users have not given
	waiting  int          // things will happen to it that many times
	boots    int
	outputs  int           // of its machine, executed so far
	offUntil time.Duration // no power until then
	gone     bool          // no power ever again

	current *boot // nil without power

	found         []agent.Found  // when this boot or the last one began
	own           *agent.Machine // of this boot or the last one
	older, oldest *agent.State   // whose memory the states to come may use; nil for none
	hooks         fault.Hooks
}

// newDevice makes a device, without power.
func newDevice(w *world, m model.Member) *device {
	d := w.tools.device()
	d.Device, d.world = model.NewDevice(m, w.run.seed, w.run.machines, w.faults), w
	d.random = newRandom(w.run.seed, d.ID.Device)
	d.line = link{world: w, line: model.NewLine(&m.Fleet.Link, w.run.seed, d.ID.Device),
		speakers: append(d.line.speakers, d), random: newRandom(w.run.seed+1, d.ID.Device)}
	d.link = &d.line
	d.session.device = d
	d.talk = w.run.converse(d)
	for i := range m.Fleet.Components {
		d.flashes = append(d.flashes, flash{Slots: model.FactorySlots(m.Fleet, m.N, i),
			install: model.InstallTime(m.Fleet, w.run.seed, d.ID.Device, i)})
	}
	return d
}

// runs is the version of a component by its place.
func (d *device) runs(i int) string { return d.flashes[i].Running }

// record notes what has happened to the device.
func (d *device) record(e verdict.Event) {
	e.At, e.Device, e.Plan = d.world.now, d.ID.Device, d.names.Of(e.Plan)
	if d.judge != nil {
		d.judge.Add(&e)
	}
	if d.world.keep {
		d.history = append(d.history, e)
		d.handOver()
	}
}

// mostKept is how many events of a device are kept until it is at its end.
const mostKept = 8 << 10

// handOver gives the events of a device to the sink that has many: a device may live for
// months.
func (d *device) handOver() {
	if len(d.history) >= mostKept && d.world.sink != nil && d.judge != nil {
		d.world.sink.AddEvents(d.history)
		d.history = d.history[:0]
	}
}

func (d *device) violation(format string, args ...any) {
	d.record(verdict.Event{Kind: verdict.Violation, Text: fmt.Sprintf(format, args...)})
}

// clock is the device's own time of day.
func (d *device) clock() time.Time { return d.hooks.Clock(d.world.clock()) }

// alive reports whether the device has power.
func (d *device) alive() bool { return d.current != nil }

// arrive gives the device power for the first time. j counts its faults, unless it is
// nil.
func (d *device) arrive(j *verdict.Judge) {
	d.record(verdict.Event{Kind: verdict.Arrived, Text: d.Fleet.Name})
	if j != nil {
		for _, f := range d.Faults {
			j.Drawn(f.Name(), 1)
		}
	}
	d.powerOn()
}

// save keeps the machine's state, tells of the reports that are new in it, and gives the
// machine the memory of the state before.
func (d *device) save(s *agent.State) {
	if d.older = d.Memory.State; d.older == nil {
		d.older, d.oldest = d.oldest, nil
	}
	for _, r := range d.Memory.Save(s) {
		if e, untrue := d.Untrue(s, r, d.runs); untrue {
			d.record(e)
		}
		d.record(verdict.ReportEvent(0, verdict.Numbered, d.ID.Device, r))
		d.hooks.Reported(r)
	}
	d.own.Reclaim(d.older)
}

// Busy is the component in work (fault.Control).
func (d *device) Busy() (component string, install time.Duration) {
	i := d.Memory.Working()
	if i < 0 {
		return "", 0
	}
	return d.Fleet.Components[i].ID, d.flashes[i].install
}

// Remeasure lets the agent look at its sensors (fault.Control).
func (d *device) Remeasure() {
	if d.alive() {
		d.handle(agent.Measured{Readings: d.hooks.Sensors.Read(context.Background())})
	}
}

// After does something after a time (fault.Control).
func (d *device) After(delay time.Duration, do func()) {
	d.waiting++
	d.world.after(delay, func() {
		d.waiting--
		do()
	})
}

// settled reports whether nothing more will happen to the device by itself.
func (d *device) settled() bool {
	if d.gone || d.link.dead == never {
		return d.waiting == 0
	}
	return d.waiting == 0 && d.alive() && d.talk.online() && d.Memory.State != nil && len(d.Memory.Reports()) == 0 &&
		ended(d.Memory.State)
}

// ended reports whether the device is at the end of its plan, and no retry can
// come.
func ended(s *agent.State) bool {
	if s.Run == nil || s.Run.Answer != agent.Accepted {
		return false
	}
	for i := range s.Run.Parts {
		if !s.Run.Parts[i].Status.Done() {
			return false
		}
	}
	return true
}

// checkTruth records, at the end of the run, what the device has left unsaid, and what
// it has said and is not so.
func (d *device) checkTruth() {
	for _, e := range d.Last(d.runs) {
		d.record(e)
	}
	if d.world.run.scenario.Expect.BelievesVersions() {
		for _, e := range d.Mistakes(d.world.platform.engine, d.runs) {
			d.record(e)
		}
	}
}
