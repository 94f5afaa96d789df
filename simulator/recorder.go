package simulator

import (
	"sync"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// recorder takes the events of a run from every goroutine and gives them to the
// judge in order.
type recorder struct {
	began time.Time

	mu       sync.Mutex // guards the following
	judge    *verdict.Judge
	snapshot Snapshot
	moved    time.Time // when something last happened
	ended    bool      // the devices are being switched off
}

// Snapshot is the state of a run at a moment.
type Snapshot struct {
	Elapsed   time.Duration
	Devices   int // of the scenario
	Arrived   int
	Connected int
	Statuses  [5]int // devices that have arrived, by ota.DeviceStatus
	Refusals  int
	Reports   int   // stored by the platform
	Bytes     int64 // verified
	Faults    int   // fired
	PowerCuts int
}

func newRecorder(s *scenario.Scenario) *recorder {
	return &recorder{began: time.Now(), judge: verdict.NewJudge(s, verdict.WithoutLogs), snapshot: Snapshot{Devices: s.Devices()}, moved: time.Now()}
}

// add records an event of now.
func (r *recorder) add(e verdict.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	e.At = now.Sub(r.began)
	was, _ := r.judge.Status(e.Device)
	r.judge.Add(e)
	is, arrived := r.judge.Status(e.Device)
	if !arrived {
		return // a stranger at the same broker
	}
	if !r.ended || e.Kind != verdict.Disconnected {
		r.snapshot.count(e)
	}
	r.snapshot.Statuses[was]--
	r.snapshot.Statuses[is]++
	r.moved = now
}

// count takes one event.
func (s *Snapshot) count(e verdict.Event) {
	switch e.Kind {
	case verdict.Arrived:
		s.Arrived++
		s.Statuses[ota.DeviceNotUpgraded]++
	case verdict.Connected:
		s.Connected++
	case verdict.Disconnected:
		s.Connected--
	case verdict.PowerCut:
		s.PowerCuts++
	case verdict.Downloaded:
		s.Bytes += e.N
	case verdict.FaultFired:
		s.Faults++
	case verdict.Answered:
		if e.N == 0 {
			s.Refusals++
		}
	case verdict.Stored:
		s.Reports++
	}
}

// observe records a fact of the stand-in.
func (r *recorder) observe(_ time.Time, fact engine.Output) {
	switch fact := fact.(type) {
	case engine.Recorded:
		if kind, counts := arrivalKinds[fact.Arrival]; counts {
			r.add(verdict.ReportEvent(0, kind, fact.Device.Device, fact.Report))
		}
	case engine.Decided:
		r.add(verdict.AnswerEvent(fact.Device.Device, fact.Decision))
	case engine.Changed:
		r.add(verdict.Event{Kind: verdict.StatusIs, Device: fact.Device.Device, Plan: fact.Plan, N: int64(fact.To)})
	}
}

// arrivalKinds are the events of what the ledger makes of a report.
var arrivalKinds = map[engine.Arrival]verdict.Kind{
	engine.Stored:      verdict.Stored,
	engine.Early:       verdict.OutOfOrder,
	engine.Duplicate:   verdict.Duplicate,
	engine.Conflicting: verdict.Conflicting,
	engine.Illegal:     verdict.Illegal,
}

// now returns the snapshot, and how long nothing has happened.
func (r *recorder) now() (s Snapshot, still time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s = r.snapshot
	s.Elapsed = time.Since(r.began)
	return s, time.Since(r.moved)
}

// status is what the platform says of a device.
func (r *recorder) status(device string) ota.DeviceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	status, _ := r.judge.Status(device)
	return status
}

// start begins the run's time.
func (r *recorder) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began, r.moved = time.Now(), time.Now()
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
