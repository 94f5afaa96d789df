package simulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// happening is something that happens at its time of a run, whatever the devices
// do.
type happening struct {
	at time.Duration
	do func()
}

// byItself is what the run only waits for.
func byItself() {}

// grace is how long after its time a thing that happens by itself has come.
const grace = time.Second

// timetable lists what will happen, in order.
func (w *world) timetable() []happening {
	var all []happening
	if w.platform != nil {
		for i := range w.scenario.Plans {
			all = append(all, w.lifeOf(&w.scenario.Plans[i])...)
		}
	}
	for i := range w.scenario.Events {
		all = append(all, w.courseOf(&w.scenario.Events[i])...)
	}
	all = slices.DeleteFunc(all, func(h happening) bool { return h.at >= w.scenario.Duration })
	slices.SortStableFunc(all, func(a, b happening) int { return cmp.Compare(a.at, b.at) })
	return all
}

// follow lets happen what the timetable says, until ctx ends. What happens at
// the start has happened when it returns.
func (w *world) follow(ctx context.Context) {
	left := w.timetable()
	for len(left) > 0 && left[0].at == 0 {
		left[0].do()
		left = left[1:]
	}
	w.due.Add(int32(len(left)))
	w.tasks.Go(func() {
		for _, next := range left {
			pause(ctx, time.Until(w.began.Add(next.at)))
			if ctx.Err() != nil {
				return
			}
			next.do()
			w.happened()
		}
	})
}

// happened notes that something which was due has happened. It may take a while to
// have an effect, so that the run is not over yet.
func (w *world) happened() {
	w.recorder.stir()
	w.due.Add(-1)
}

// lifeOf is when a plan comes into effect, and when devices get it or lose it.
func (w *world) lifeOf(p *scenario.Plan) []happening {
	all := []happening{{p.Starts, func() { w.command(engine.Activate{Plan: p.Name}) }}}
	if opens := firstPush(p); opens > p.Starts {
		all = append(all, happening{opens + grace, byItself})
	}
	if p.Ends > 0 {
		all = append(all, happening{p.Ends + grace, byItself})
	}
	return all
}

// firstPush is when a plan's window first lets it be pushed.
func firstPush(p *scenario.Plan) time.Duration {
	if p.Window == nil {
		return p.Starts
	}
	open := func(hour int) bool {
		if p.Window.From < p.Window.To {
			return p.Window.From <= hour && hour < p.Window.To
		}
		return hour >= p.Window.From || hour < p.Window.To
	}
	at := p.Starts
	for !open(int(at/time.Hour) % 24) {
		at = at.Truncate(time.Hour) + time.Hour
	}
	return at
}

// courseOf is what an event does, and what undoes it.
func (w *world) courseOf(e *scenario.Event) []happening {
	do, undo := w.effectOf(e)
	all := []happening{{e.At, func() {
		w.log.Info("event", "do", string(e.Do), "for", e.For, "fleet", e.Fleet, "plan", e.Plan)
		do()
	}}}
	if e.For > 0 {
		all = append(all, happening{e.At + e.For, undo})
	}
	if e.Do == scenario.ResumePlan || e.Do == scenario.SuspendPlan && e.For > 0 {
		all = append(all, happening{nextPush(e.At + e.For), byItself})
	}
	return all
}

// pushGrid is how often the platform pushes plans, from the start of the run on.
const pushGrid = 10 * time.Minute

// nextPush is when plans have been pushed that came into effect again.
func nextPush(at time.Duration) time.Duration { return at.Truncate(pushGrid) + pushGrid + grace }

// effectOf is how an event happens, and how it is undone after its time.
func (w *world) effectOf(e *scenario.Event) (do, undo func()) {
	p := w.platform
	switch e.Do {
	case scenario.KillBroker:
		return func() { w.attempt(p.KillBroker()) }, p.RestartBroker
	case scenario.KillStore:
		return func() { w.attempt(p.KillStore()) }, p.RestartStore
	case scenario.KillPlatform:
		return p.Kill, p.Restart
	case scenario.Partition:
		return func() { w.part(e) }, byItself
	case scenario.ReconnectStorm:
		return func() { w.eachLine(e.Fleet, func(l *line) { l.cut(0) }) }, byItself
	case scenario.ExpireAddresses:
		return func() { w.attempt(p.RevokeAddresses()) }, byItself
	case scenario.SuspendPlan:
		return func() { w.command(engine.Suspend{Plan: e.Plan}) }, func() { w.command(engine.Resume{Plan: e.Plan}) }
	case scenario.ResumePlan:
		return func() { w.command(engine.Resume{Plan: e.Plan}) }, byItself
	case scenario.TerminatePlan:
		return func() { w.command(engine.Terminate{Plan: e.Plan}) }, byItself
	case scenario.RetryPlan:
		return func() { w.command(engine.RetryDevices{Plan: e.Plan}) }, byItself
	}
	panic(fmt.Sprintf("internal error: unknown event %q", e.Do))
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

// part separates a fleet from everything else, those of it that have not arrived
// included.
func (w *world) part(e *scenario.Event) {
	w.mu.Lock()
	w.partitions = append(w.partitions, partition{e.Fleet, time.Now().Add(e.For)})
	w.mu.Unlock()
	w.eachLine(e.Fleet, func(l *line) { l.freeze(e.For) })
}

// separate lets a device that arrives share the lot of its fleet.
func (w *world) separate(d *device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.partitions {
		if p.fleet == "" || p.fleet == d.fleet.spec.Name {
			d.line.freeze(time.Until(p.until))
		}
	}
}

// eachLine calls do with every line of a fleet, or of all.
func (w *world) eachLine(fleet string, do func(*line)) {
	devices, _ := w.crowd.all()
	for _, d := range devices {
		if d.voice == nil && (fleet == "" || fleet == d.fleet.spec.Name) {
			do(d.line)
		}
	}
}
