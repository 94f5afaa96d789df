package virtual

import (
	"context"
	"fmt"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// device is a virtual device: what of it outlives a power cut, and the life that
// it leads while it has power.
type device struct {
	world    *world
	fleet    *scenario.Fleet
	n        int // of the fleet, from 1
	config   *agent.Config
	id       ota.Identity
	line     *line
	judge    *verdict.DeviceJudge
	history  []verdict.Event // kept if somebody wants it
	session  session
	flashes  []flash // one for each component of the fleet
	readings agent.Readings
	faults   []*fault.Injection
	random   random

	answers []userAnswer     // that its users have not given
	none    ota.NoPlanReason // what the platform last said instead of a plan
	waiting int              // things will happen to it that many times
	memory  model.Memory
	boots   int
	outputs int           // of its machine, executed so far
	dark    time.Duration // no power until then
	gone    bool          // no power ever again

	life  *life // nil without power
	hooks fault.Hooks
}

// newDevice makes device n of a fleet, without power.
func newDevice(w *world, f *scenario.Fleet, n int) *device {
	d := &device{world: w, fleet: f, n: n, config: w.run.config(f, n), id: f.Identity(n), memory: model.NewMemory(f),
		flashes: make([]flash, len(f.Components))}
	d.faults = w.faults.Draw(f, n)
	d.random = newRandom(w.run.seed, d.id.Device)
	d.line = &line{world: w, spec: f.Link, speakers: []*device{d}, random: newRandom(w.run.seed+1, d.id.Device)}
	d.session.device = d
	d.readings = model.Readings(f, w.run.seed, d.id.Device)
	for i := range f.Components {
		d.flashes[i] = flash{Slots: model.FactorySlots(f, i), install: model.InstallTime(f, w.run.seed, d.id.Device, i)}
	}
	return d
}

// record notes what has happened to the device.
func (d *device) record(e verdict.Event) {
	e.At, e.Device = d.world.now, d.id.Device
	if d.judge != nil {
		d.judge.Add(&e)
	}
	if d.world.keep {
		d.history = append(d.history, e)
	}
}

func (d *device) violation(format string, args ...any) {
	d.record(verdict.Event{Kind: verdict.Violation, Text: fmt.Sprintf(format, args...)})
}

// clock is the device's own time of day.
func (d *device) clock() time.Time { return d.hooks.Clock(d.world.clock()) }

// alive reports whether the device has power.
func (d *device) alive() bool { return d.life != nil }

// arrive gives the device power for the first time. j is told of its faults; nil for
// nobody.
func (d *device) arrive(j *verdict.Judge) {
	d.record(verdict.Event{Kind: verdict.Arrived, Text: d.fleet.Name})
	if j != nil {
		for _, f := range d.faults {
			j.Drawn(f.Name(), 1)
		}
	}
	d.boot()
}

// save keeps the machine's state, and tells of the reports that are new in it.
func (d *device) save(s *agent.State) {
	for _, r := range d.memory.Save(s) {
		d.watchReport(r)
		d.record(verdict.ReportEvent(0, verdict.Numbered, d.id.Device, r))
		d.hooks.Reported(r)
	}
}

// Read measures what conditions speak of (agent.Sensors).
func (d *device) Read(context.Context) agent.Readings { return d.readings }

// Check finds the device healthy (agent.Health); faults find it otherwise.
func (d *device) Check(context.Context) error { return nil }

// Busy is the component in work (fault.Control).
func (d *device) Busy() (component string, install time.Duration) {
	i := d.memory.Working()
	if i < 0 {
		return "", 0
	}
	return d.fleet.Components[i].ID, d.flashes[i].install
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
	if d.gone || d.line.dead == never {
		return d.waiting == 0
	}
	return d.waiting == 0 && d.alive() && d.line.up && d.memory.State != nil && len(d.memory.Reports()) == 0 && ended(d.memory.State)
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

// checkTruth records, at the end of the run, a violation for what the device has
// said and is not so, and the reports that it still has.
func (d *device) checkTruth() {
	for _, e := range model.Unacknowledged(d.memory.State) {
		d.record(e)
	}
	lies := model.Violations(d.memory.State, func(component string) (string, bool) {
		i := d.memory.Component(component)
		if i < 0 {
			return "", false
		}
		return d.flashes[i].Running, true
	})
	for _, lie := range lies {
		d.violation("%s", lie)
	}
}
