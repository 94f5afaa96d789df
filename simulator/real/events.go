package real

import (
	"context"
	"time"

	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/scenario"
)

// follow carries out the schedule until ctx ends. What happens at the start has
// happened when it returns.
func (w *world) follow(ctx context.Context) {
	left := model.Schedule(w.scenario, w.platform != nil || w.settings.HawkBit != nil)
	for len(left) > 0 && left[0].At == 0 {
		w.take(left[0])
		left = left[1:]
	}
	w.due.Add(int32(len(left)))
	w.tasks.Go(func() {
		for _, next := range left {
			netem.Sleep(ctx, time.Until(w.began.Add(next.At)))
			if ctx.Err() != nil {
				return
			}
			w.take(next)
			w.happened()
		}
	})
}

// take carries out a step.
func (w *world) take(step model.Step) {
	if e := step.Event; e != nil {
		w.log.Info("event", "do", string(e.Do), "for", e.For, "fleet", e.Fleet, "plan", e.Plan)
	}
	if step.Do != nil {
		step.Do(w)
	}
}

// happened notes that something which was due has happened. It may take a while to
// have an effect, so that the run is not over yet.
func (w *world) happened() {
	w.recorder.stir()
	w.due.Add(-1)
}

// The world's side of the events (model.Surroundings).

// StopBroker kills the broker, or what is in its place, with every session.
func (w *world) StopBroker() { w.attempt(w.face.stop(w.platform)) }

// StartBroker starts it again.
func (w *world) StartBroker() { w.face.start(w.platform) }

// StopStore kills the object store with every download.
func (w *world) StopStore() { w.attempt(w.platform.KillStore()) }

// StartStore starts it again.
func (w *world) StartStore() { w.platform.RestartStore() }

// StopPlatform kills the plan engine.
func (w *world) StopPlatform() { w.platform.Kill() }

// StartPlatform starts it again.
func (w *world) StartPlatform() { w.platform.Restart() }

// RevokeURLs makes the download URLs issued so far useless.
func (w *world) RevokeURLs() { w.attempt(w.platform.RevokeAddresses()) }

// Order gives the platform an order.
func (w *world) Order(command engine.Command) {
	w.command(command)
	if activate, is := command.(engine.Activate); is && w.activated[activate.Plan] != nil {
		close(w.activated[activate.Plan])
	}
}

// Create gives the platform a plan.
func (w *world) Create(plan *scenario.Plan) {
	w.command(engine.CreatePlan{Plan: model.PlanSpec(w.scenario, plan, w.began, w.members())})
}

// DropConnections drops every connection of a fleet, or of all, and gives the devices
// time to come back: also one that was at its end does.
func (w *world) DropConnections(fleet string) {
	w.eachLinked(fleet, func(d *device) {
		d.link.Cut(0)
		d.unsettle()
	})
}

func (w *world) attempt(err error) {
	if err != nil {
		w.log.Error("an event does not happen", "error", err)
	}
}

// partition is a fleet that reaches nothing.
type partition struct {
	fleet string // empty for all
	until time.Time
}

// Partition cuts a fleet off from everything for a time, those of it that have not
// arrived included.
func (w *world) Partition(fleet string, lasting time.Duration) {
	w.mu.Lock()
	w.partitions = append(w.partitions, partition{fleet, time.Now().Add(lasting)})
	w.mu.Unlock()
	w.eachLinked(fleet, func(d *device) { d.link.Freeze(lasting) })
}

// separate cuts a device that arrives off, if its fleet is.
func (w *world) separate(d *device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.partitions {
		if p.fleet == "" || p.fleet == d.Fleet.Name {
			d.link.Freeze(time.Until(p.until))
		}
	}
}

// eachLinked calls do with every device of a fleet, or of all, that has a link of its own.
func (w *world) eachLinked(fleet string, do func(*device)) {
	devices, _ := w.population.all()
	for _, d := range devices {
		if d.member == nil && (fleet == "" || fleet == d.Fleet.Name) {
			do(d)
		}
	}
}
