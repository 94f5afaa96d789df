package virtual

import (
	"time"

	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// schedule queues what the scenario brings about: plans and events, and the users
// of the plans. What happens by itself, such as the end of a plan, is a step as
// well: until then the world is not at its end.
func (w *world) schedule() {
	for _, step := range w.run.schedule {
		w.queue.add(step.At, func() {
			if step.Do != nil {
				step.Do(w)
			}
		})
	}
	for i := range w.run.scenario.Plans {
		w.users(&w.run.scenario.Plans[i])
	}
}

// The world's side of the events (model.Surroundings).

// StopBroker ends every session, and what is on its way.
func (w *world) StopBroker() {
	w.platform.brokerDown = true
	w.eachLink("", func(l *link) {
		l.forget()
		l.cutSession()
		l.breakOff()
	})
}

// StartBroker takes connections again.
func (w *world) StartBroker() { w.platform.brokerDown = false }

// StopStore ends every download.
func (w *world) StopStore() {
	w.platform.storeDown = true
	for _, d := range w.devices {
		d.interrupt()
	}
}

// StartStore answers again.
func (w *world) StartStore() { w.platform.storeDown = false }

// StopPlatform hears nothing any more.
func (w *world) StopPlatform() { w.platform.down = true }

// StartPlatform hears what has waited.
func (w *world) StartPlatform() { w.platform.back() }

// RevokeURLs makes the download URLs issued so far useless.
func (w *world) RevokeURLs() { w.platform.revoked = w.now }

// Order gives the platform an order.
func (w *world) Order(command engine.Command) { w.platform.command(command) }

// Create gives the platform a plan.
func (w *world) Create(plan *scenario.Plan) { w.platform.create(plan) }

// Partition cuts a fleet off from everything for a time.
func (w *world) Partition(fleet string, lasting time.Duration) {
	w.eachLink(fleet, func(l *link) { l.freeze(lasting) })
}

// DropConnections drops every connection of a fleet.
func (w *world) DropConnections(fleet string) { w.eachLink(fleet, func(l *link) { l.cut(0) }) }

// eachLink calls do with every link of a fleet, or of all.
func (w *world) eachLink(fleet string, do func(*link)) {
	for _, d := range w.devices {
		if d.link.owner() == d && (fleet == "" || d.Fleet.Name == fleet) {
			do(d.link)
		}
	}
}

// users lets those of a manual plan answer, some time after their device has
// arrived.
func (w *world) users(p *scenario.Plan) {
	for _, d := range w.devices {
		if operation, after, answers := model.UserOf(p, d.Fleet, d.ID.Device, w.run.seed); answers {
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
			d.world.platform.command(engine.UserAnswer{Device: d.ID, Plan: a.plan.Name, Operation: a.operation})
		})
	}
	d.answers = nil
}

// observe records a fact of the platform.
func (w *world) observe(fact engine.Output) {
	e, is := w.run.dialect.EventOf(fact)
	if !is {
		return
	}
	for _, d := range w.devices {
		if d.ID.Device == e.Device {
			d.record(e)
		}
	}
}
