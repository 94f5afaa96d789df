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
	began   time.Time

	mu       sync.Mutex // guards the following
	judge    *verdict.Judge
	sink     simulator.Sink   // nil for none
	one      [1]verdict.Event // that the sink is given
	progress progress
	moved    time.Time // when something last happened
	ended    bool      // the devices are being switched off
	refused  model.Refusals
}

func newRecorder(s *scenario.Scenario, devices int, sink simulator.Sink) *recorder {
	return &recorder{lasting: s.Duration, began: time.Now(), judge: verdict.NewJudge(s, verdict.WithoutLogs), sink: sink,
		progress: newProgress(devices, faultNames(s)), moved: time.Now()}
}

// add records an event of now.
func (r *recorder) add(e verdict.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return // what comes of switching the devices off says nothing about the run
	}
	now := time.Now()
	e.At = now.Sub(r.began)
	was, _ := r.judge.Status(e.Device)
	r.judge.Add(e)
	is, arrived := r.judge.Status(e.Device)
	if !arrived {
		return // a stranger at the same broker
	}
	if r.sink != nil {
		r.one[0] = e
		r.sink.AddEvents(r.one[:])
	}
	r.progress.count(e)
	if e.Kind == verdict.StatusIs && e.N == int64(ota.DeviceUpgraded) {
		if took, upgraded := r.judge.Took(e.Device, e.Plan); upgraded {
			r.progress.Upgrades.Add(took)
		}
	}
	r.progress.Statuses[was]--
	r.progress.Statuses[is]++
	r.moved = now
}

// observe records a fact of the fake platform.
func (r *recorder) observe(_ time.Time, fact engine.Output) {
	if e, is := model.EventOf(fact); is {
		r.add(e)
	}
}

// refuse records that the platform did not carry out an order.
func (r *recorder) refuse(command engine.Command, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.refused.Add(command, time.Since(r.began), reason)
	}
}

// refusals are the orders that were refused.
func (r *recorder) refusals() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused.Texts()
}

// now returns the snapshot.
func (r *recorder) now() simulator.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.progress.snapshot()
	s.Elapsed = time.Since(r.began)
	s.Share = min(1, s.Elapsed.Seconds()/r.lasting.Seconds())
	s.Windows, s.Window = r.judge.Finished(s.Elapsed)
	return s
}

// still is for how long nothing has happened, and how many devices have arrived
// without coming to an end or to work.
func (r *recorder) still() (still time.Duration, notUpgraded int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.moved), r.progress.Statuses[ota.DeviceNotUpgraded]
}

// stir says that something happens which may not be seen yet.
func (r *recorder) stir() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moved = time.Now()
}

// status is what the platform says of a device.
func (r *recorder) status(device string) ota.DeviceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	status, _ := r.judge.Status(device)
	return status
}

// start begins the run's time.
func (r *recorder) start() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = time.Now()
	r.moved = r.began
	return r.began
}

// drawn notes that a fault was drawn for a device.
func (r *recorder) drawn(fault string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judge.Drawn(fault, 1)
}

// figures sums the run up.
func (r *recorder) figures(fleets []verdict.FleetSize) *verdict.Figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.judge.Figures(fleets)
}

// end keeps the last snapshot as it was: that the devices are switched off after
// the run says nothing about it.
func (r *recorder) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}
