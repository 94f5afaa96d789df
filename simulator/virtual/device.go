package virtual

import (
	"context"
	"fmt"
	"slices"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// How long a virtual device takes to start again, as in the real world.
const (
	processRestart = 100 * time.Millisecond
	systemRestart  = time.Second
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

	answers  []userAnswer     // that its users have not given
	none     ota.NoPlanReason // what the platform last said instead of a plan
	waiting  int              // things will happen to it that many times
	saved    *agent.State
	packages []*ota.Package // kept addresses, one for each component
	numbered []numbered     // the highest number of each plan's reports
	busy     int            // component in work; -1 if none
	boots    int
	outputs  int           // of its machine, executed so far
	dark     time.Duration // no power until then
	gone     bool          // no power ever again

	life  *life // nil without power
	hooks fault.Hooks
}

// numbered is the highest number seen of a plan's reports.
type numbered struct {
	plan string
	seq  int
}

// newDevice makes device n of a fleet, without power.
func newDevice(w *world, f *scenario.Fleet, n int) *device {
	d := &device{world: w, fleet: f, n: n, config: w.run.config(f, n), id: f.Identity(n), busy: -1,
		packages: make([]*ota.Package, len(f.Components)), flashes: make([]flash, len(f.Components))}
	d.faults = w.faults.Draw(f, n)
	d.random = newRandom(w.run.seed, d.id.Device)
	d.line = &line{world: w, spec: f.Link, speakers: []*device{d}, random: newRandom(w.run.seed+1, d.id.Device)}
	d.session.device = d
	d.readings = agent.Readings{Battery: d.drawReading(f.Battery, "battery"), RSSI: d.drawReading(f.RSSI, "rssi")}
	for i, c := range f.Components {
		d.flashes[i] = flash{Slots: model.Slots{Running: c.Version, Restart: f.Install.RestartFor(c.Type)},
			install: f.Install.Time.At(fault.Uniform(w.run.seed, d.id.Device, "install", i))}
	}
	if slices.ContainsFunc(f.Components, func(c scenario.Installed) bool { return c.Release > 0 }) {
		d.saved = factoryState(f)
	}
	return d
}

// factoryState is what the journal holds of a device that has run releases
// before.
func factoryState(f *scenario.Fleet) *agent.State {
	s := &agent.State{Components: make([]agent.Component, len(f.Components))}
	for i, c := range f.Components {
		s.Components[i] = agent.Component{ID: c.ID, Version: c.Version, Release: int64(c.Release)}
	}
	return s
}

func (d *device) drawReading(r *scenario.Range[int], purpose string) *int {
	if r == nil {
		return nil
	}
	v := r.At(fault.Uniform(d.world.run.seed, d.id.Device, purpose, 0))
	return &v
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
	d.saved = s
	for i := range s.Reports {
		r := &s.Reports[i]
		if !d.raise(r) {
			continue
		}
		switch r.Status {
		case ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading:
			d.busy = d.component(r.Component)
		}
		d.watchReport(r)
		d.record(verdict.ReportEvent(0, verdict.Numbered, d.id.Device, r))
		d.hooks.Reported(r)
	}
}

// raise takes a report's number and tells whether it is higher than all before
// it.
func (d *device) raise(r *ota.Report) bool {
	for i := range d.numbered {
		if last := &d.numbered[i]; last.plan == r.Plan {
			higher := r.Seq > last.seq
			last.seq = max(last.seq, r.Seq)
			return higher
		}
	}
	d.numbered = append(d.numbered, numbered{r.Plan, r.Seq})
	return true
}

func (d *device) component(id string) int {
	for i := range d.fleet.Components {
		if d.fleet.Components[i].ID == id {
			return i
		}
	}
	return -1
}

// Read measures what conditions speak of (agent.Sensors).
func (d *device) Read(context.Context) agent.Readings { return d.readings }

// Check finds the device healthy (agent.Health); faults find it otherwise.
func (d *device) Check(context.Context) error { return nil }

// Busy is the component in work (fault.Control).
func (d *device) Busy() (component string, install time.Duration) {
	if d.busy < 0 {
		return "", 0
	}
	return d.fleet.Components[d.busy].ID, d.flashes[d.busy].install
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
	return d.waiting == 0 && d.alive() && d.line.up && d.saved != nil && len(d.saved.Reports) == 0 && ended(d.saved)
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
	for _, e := range model.Unacknowledged(d.saved) {
		d.record(e)
	}
	lies := model.Violations(d.saved, func(component string) (string, bool) {
		i := d.component(component)
		if i < 0 {
			return "", false
		}
		return d.flashes[i].Running, true
	})
	for _, lie := range lies {
		d.violation("%s", lie)
	}
}
