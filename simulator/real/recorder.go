package real

import (
	"sync"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// recorder takes the events of a run from every goroutine and gives them to the
// judge in order.
type recorder struct {
	lasting time.Duration // of the run, at most
	added   added

	mu       sync.Mutex // guards the following, and is held while events are judged
	events   []verdict.Event
	judge    *verdict.Judge
	sink     simulator.Sink // nil for none
	progress progress
	moved    time.Duration // when something last happened, since the start
	ended    bool          // the devices are being switched off
	refused  model.Refusals
}

func newRecorder(s *scenario.Scenario, devices int, sink simulator.Sink) *recorder {
	return &recorder{lasting: s.Duration, added: added{began: time.Now()}, judge: verdict.NewJudge(s, verdict.WithoutLogs),
		sink: sink, progress: newProgress(devices, faultNames(s))}
}

// add records an event of now, and leaves it to the goroutine that judges already, if there
// is one. A fleet that waited for each other's events would be a queue of goroutines, with
// all that they hold, as soon as the machine takes the processor from the first one.
func (r *recorder) add(e verdict.Event) {
	if r.added.put(e) {
		r.look(func() {})
		return
	}
	for r.added.any() && r.mu.TryLock() {
		r.judgeAdded()
		r.mu.Unlock()
	}
}

// look judges what was added, and calls f while nothing else is judged.
func (r *recorder) look(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judgeAdded()
	f()
}

// judgeAdded judges what was added; r.mu is held.
func (r *recorder) judgeAdded() {
	for r.events = r.added.take(r.events); len(r.events) > 0; r.events = r.added.take(r.events) {
		for i := range r.events {
			r.judgeOne(r.events[i : i+1])
		}
	}
}

// judgeOne judges one event; r.mu is held.
func (r *recorder) judgeOne(one []verdict.Event) {
	e := &one[0]
	if r.ended {
		return // what comes of switching the devices off says nothing about the run
	}
	was, _ := r.judge.Status(e.Device)
	r.judge.Add(*e)
	is, arrived := r.judge.Status(e.Device)
	if !arrived {
		return // a stranger at the same broker
	}
	if r.sink != nil {
		r.sink.AddEvents(one)
	}
	r.progress.count(*e)
	if e.Kind == verdict.StatusIs && e.N == int64(ota.DeviceUpgraded) {
		if took, upgraded := r.judge.Took(e.Device, e.Plan); upgraded {
			r.progress.Upgrades.Add(took)
		}
	}
	r.progress.Statuses[was]--
	r.progress.Statuses[is]++
	r.moved = e.At
}

// observe records a fact of the fake platform.
func (r *recorder) observe(_ time.Time, fact engine.Output) {
	if e, is := model.EventOf(fact); is {
		r.add(e)
	}
}

// refuse records that the platform did not carry out an order.
func (r *recorder) refuse(command engine.Command, reason error) {
	r.look(func() {
		if !r.ended {
			r.refused.Add(command, r.added.elapsed(), reason)
		}
	})
}

// refusals are the orders that were refused.
func (r *recorder) refusals() (texts []string) {
	r.look(func() { texts = r.refused.Texts() })
	return texts
}

// now returns the snapshot.
func (r *recorder) now() (s simulator.Snapshot) {
	r.look(func() {
		s = r.progress.snapshot()
		s.Elapsed = r.added.elapsed()
		s.Share = min(1, s.Elapsed.Seconds()/r.lasting.Seconds())
		s.Windows, s.Window = r.judge.Finished(s.Elapsed)
	})
	return s
}

// lastMove is when in the run something happened last, and how many devices have arrived
// without coming to an end or to work.
func (r *recorder) lastMove() (at time.Duration, notUpgraded int) {
	r.look(func() { at, notUpgraded = r.moved, r.progress.Statuses[ota.DeviceNotUpgraded] })
	return at, notUpgraded
}

// stir says that something happens which may not be seen yet.
func (r *recorder) stir() { r.look(func() { r.moved = r.added.elapsed() }) }

// status is what the platform says of a device.
func (r *recorder) status(device string) (status ota.DeviceStatus) {
	r.look(func() { status, _ = r.judge.Status(device) })
	return status
}

// start begins the run's time.
func (r *recorder) start() (began time.Time) {
	r.look(func() { began, r.moved = r.added.start(), 0 })
	return began
}

// drawn notes that a fault was drawn for a device.
func (r *recorder) drawn(fault string) { r.look(func() { r.judge.Drawn(fault, 1) }) }

// figures sums the run up.
func (r *recorder) figures(fleets []verdict.FleetSize) (f *verdict.Figures) {
	r.look(func() { f = r.judge.Figures(fleets) })
	return f
}

// end keeps the last snapshot as it was: that the devices are switched off after
// the run says nothing about it.
func (r *recorder) end() { r.look(func() { r.ended = true }) }
