package virtual

import (
	"time"

	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// schedule plans what the scenario lets happen: plans, their users, and events.
func (w *world) schedule() {
	for i := range w.run.scenario.Plans {
		p := &w.run.scenario.Plans[i]
		w.queue.add(p.Starts, func() { w.platform.command(engine.Activate{Plan: p.Name}) })
		w.users(p)
	}
	for i := range w.run.scenario.Events {
		e := &w.run.scenario.Events[i]
		w.queue.add(e.At, func() { w.happen(e) })
	}
}

// happen lets an event happen.
func (w *world) happen(e *scenario.Event) {
	p := &w.platform
	switch e.Do {
	case scenario.KillBroker:
		p.brokerDown = true
		w.eachLine("", func(l *line) {
			l.forget()
			l.cutSession()
		})
		w.after(e.For, func() { p.brokerDown = false })
	case scenario.KillStore:
		p.storeDown = true
		for _, d := range w.devices {
			d.interrupt()
		}
		w.after(e.For, func() { p.storeDown = false })
	case scenario.KillPlatform:
		p.down = true
		w.after(e.For, p.back)
	case scenario.Partition:
		w.eachLine(e.Fleet, func(l *line) { l.freeze(e.For) })
	case scenario.ReconnectStorm:
		w.eachLine(e.Fleet, func(l *line) { l.cut(0) })
	case scenario.ExpireAddresses:
		p.revoked = w.now
	case scenario.SuspendPlan:
		p.command(engine.Suspend{Plan: e.Plan})
		if e.For > 0 {
			w.after(e.For, func() { p.command(engine.Resume{Plan: e.Plan}) })
		}
	case scenario.ResumePlan:
		p.command(engine.Resume{Plan: e.Plan})
	case scenario.TerminatePlan:
		p.command(engine.Terminate{Plan: e.Plan})
	case scenario.RetryPlan:
		p.command(engine.RetryDevices{Plan: e.Plan})
	}
}

// eachLine calls do with every line of a fleet, or of all.
func (w *world) eachLine(fleet string, do func(*line)) {
	for _, d := range w.devices {
		if d.line.owner() == d && (fleet == "" || d.fleet.Name == fleet) {
			do(d.line)
		}
	}
}

// users lets those of a manual plan answer, some time after their device has
// arrived.
func (w *world) users(p *scenario.Plan) {
	for _, d := range w.devices {
		if operation, after, answers := model.UserOf(p, d.fleet, d.id.Device, w.run.seed); answers {
			d.answers = append(d.answers, userAnswer{p, operation, after})
		}
	}
}

// userAnswer is what the user of a device will say to a plan.
type userAnswer struct {
	plan      *scenario.Plan
	operation engine.UserOperation
	after     time.Duration
}

// answer lets the users speak, once the platform has said something to the device
// and so knows it.
func (d *device) answer() {
	for _, a := range d.answers {
		at := max(d.world.now, a.plan.Starts) + a.after
		d.waiting++
		d.world.queue.add(at, func() {
			d.waiting--
			d.world.platform.command(engine.UserAnswer{Device: d.id, Plan: a.plan.Name, Operation: a.operation})
		})
	}
	d.answers = nil
}

// observe records a fact of the platform.
func (w *world) observe(fact engine.Output) {
	e, told := model.EventOf(fact)
	if !told {
		return
	}
	for _, d := range w.devices {
		if d.id.Device == e.Device {
			d.record(e)
		}
	}
}
