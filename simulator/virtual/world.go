package virtual

import (
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/hawkbit"
	"otafleet/simulator/verdict"
)

// world is a device, or a gateway with the devices that it speaks for, and
// everything around them. Nothing outside it changes it.
type world struct {
	run      *run // shared by every world; never changed
	now      time.Duration
	queue    queue
	polls    queue  // of devices that look whether there is something for them
	asides   int    // things in the queue before which the run may end
	happened uint64 // things so far, beside polls that found nothing
	faults   *fault.Set
	keep     bool           // events are kept for a sink
	sink     simulator.Sink // that takes them before their device is at its end, if there are many; nil for none
	probe    Probe
	mind     func(*agent.Machine) Brain // nil for the machine as it is
	limit    int                        // things that may still happen; negative for any number
	platform platform
	hawkBit  *hawkbit.Handler // nil without devices that speak its dialect
	devices  []*device        // the gateway first
	refused  model.Refusals
	tools    *tools
	dayAt    time.Duration // when clock was last asked, as the time since the start
	day      time.Time     // and as the time of day
}

// after lets something happen after a time.
func (w *world) after(delay time.Duration, do func()) { w.queue.add(w.now+delay, do) }

// aside is after of what is not waited for: the run may end before it.
func (w *world) aside(delay time.Duration, do func()) {
	w.asides++
	w.after(delay, func() {
		w.asides--
		do()
	})
}

// clock is the time of day.
func (w *world) clock() time.Time {
	if w.dayAt != w.now {
		w.dayAt, w.day = w.now, w.run.epoch.Add(w.now)
	}
	return w.day
}

// play lets everything happen until nothing more can, or the scenario's
// duration is over.
func (w *world) play() {
	end := w.run.scenario.Duration
	for len(w.queue.heap) != w.asides || !w.settled() {
		tick, ticks := w.platform.nextTick()
		ticks = ticks && tick < end
		next, at := w.next()
		if ticks && (next == nil || tick <= at) {
			w.now = max(w.now, tick)
			w.happened++
			w.platform.tick()
			continue
		}
		if next == nil || at >= end || w.limit == 0 {
			break
		}
		if next == &w.queue {
			w.happened++
		}
		w.limit--
		w.now = at
		due := next.take()
		due.what.happen(due.number)
	}
	if w.limit != 0 && !w.settled() {
		w.now = end // nothing happened any more, or it would have been too late
	}
	for _, d := range w.devices {
		d.checkTruth()
	}
}

// next is the queue with what happens next, and when that is; nil if there is nothing.
// Once every device has looked in vain, only what happens brings something new: until
// then their polls are left out.
func (w *world) next() (from *queue, at time.Duration) {
	at, any := w.queue.peek()
	if poll, polls := w.polls.peek(); polls && (!any || poll < at) && !w.quiet() {
		return &w.polls, max(poll, w.now)
	}
	if !any {
		return nil, 0
	}
	return &w.queue, at
}

// quiet reports whether no device would find anything new by looking.
func (w *world) quiet() bool {
	for _, d := range w.devices {
		if !d.talk.quiet() {
			return false
		}
	}
	return true
}

// settled reports whether nothing more will happen to any device by itself:
// only the platform could still move one.
func (w *world) settled() bool {
	for _, d := range w.devices {
		if !d.settled() {
			return false
		}
	}
	return true
}

// think gives a device its machine.
func (w *world) think(m *agent.Machine) Brain {
	if w.mind != nil {
		return w.mind(m)
	}
	return m
}

// look asks what is to become of an output.
func (w *world) look(d *device, out agent.Output) Trouble {
	if w.probe == nil {
		return NoTrouble
	}
	return w.probe.Output(w.now, d.ID.Device, d.outputs, out)
}

// newWorld makes the world of one gateway or device with the tools of whoever runs it.
// j judges them, unless it is nil.
func newWorld(r *run, j *verdict.Judge, group *model.Group, keep bool, with *tools) *world {
	w := &with.world
	*w = world{run: r, keep: keep, limit: -1, tools: with, queue: with.queue, devices: w.devices[:0], day: r.epoch}
	w.faults = fault.NewSet(r.scenario, r.seed, w.fired)
	w.faults.Sign = r.sign
	w.platform.world = w
	for _, m := range group.Members {
		d := newDevice(w, m)
		if j != nil && !m.Extra {
			d.judge = j.Device(m.Index, m.N)
		}
		w.devices = append(w.devices, d)
	}
	w.platform.prepare(group.Members)
	w.openHawkBit()
	gateway := w.devices[0]
	for _, d := range w.devices[1:] {
		d.link = gateway.link
		d.link.speakers = append(d.link.speakers, d)
	}
	for _, d := range w.devices {
		w.queue.add(group.At, func() { d.arrive(j) })
	}
	w.schedule()
	return w
}

// deviceNamed finds a device of this world.
func (w *world) deviceNamed(id ota.Identity) *device {
	for _, d := range w.devices {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// fired records that a fault has struck.
func (w *world) fired(device, name string) {
	for _, d := range w.devices {
		if d.ID.Device == device {
			d.record(verdict.Event{Kind: verdict.FaultFired, Text: name})
		}
	}
}
