package simulator

import (
	"context"
	"sync"
	"time"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/witness"
)

// crowd is the devices that have arrived so far.
type crowd struct {
	stop     context.CancelFunc
	arriving sync.WaitGroup

	calm int // owned by settled: devices before this one were settled when last looked at

	mu      sync.Mutex // guards the following
	devices []*device
	whole   bool // nobody is missing
}

// arriveAll lets the devices arrive at their times, until ctx ends.
func (w *world) arriveAll(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	w.crowd.stop = stop
	w.crowd.arriving.Go(func() {
		for i := range w.arrivals {
			pause(ctx, time.Until(w.began.Add(w.arrivals[i].at)))
			if ctx.Err() != nil {
				return
			}
			w.arrive(&w.arrivals[i])
		}
		w.crowd.mu.Lock()
		defer w.crowd.mu.Unlock()
		w.crowd.whole = true
	})
}

// arrive makes a device and those behind it, and gives them power.
func (w *world) arrive(a *arrival) {
	first := newDevice(w, a.member)
	first.unasked = a.unasked
	devices := []*device{first}
	for _, m := range a.behind {
		devices = append(devices, newSubDevice(w, m, first))
	}
	w.crowd.add(devices)
	w.separate(first)
	for _, d := range devices {
		d.record(verdict.Event{Kind: verdict.Arrived, Text: d.fleet.spec.Name})
		for _, f := range d.faults {
			if !d.unasked {
				w.recorder.drawn(f.Name())
			}
		}
		d.boot()
	}
}

func (c *crowd) add(devices []*device) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.devices = append(c.devices, devices...)
}

// stopArriving lets no further device arrive.
func (c *crowd) stopArriving() {
	c.stop()
	c.arriving.Wait()
}

// all returns the devices that have arrived, and whether no other one will.
func (c *crowd) all() (devices []*device, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.devices, c.whole
}

// How long nothing must have happened anywhere before a fleet is taken to stay
// as it is: when every device is at an end, after which the platform may have
// another plan for it, and when some are not, which may still hear of one. Both
// grow with the latency of the lines.
const (
	breath     = time.Second
	leastQuiet = 5 * time.Second
)

// roundTrips is how often something goes there and back before a device that
// has connected has agreed to a plan.
const roundTrips = 8

// quietTime is how long the devices of a scenario may be still before they are
// taken to stay where they are.
func quietTime(s *scenario.Scenario) time.Duration {
	slowest := time.Duration(0)
	for i := range s.Fleets {
		l := &s.Fleets[i].Link
		slowest = max(slowest, l.Latency+l.Jitter)
		if l.Loss > 0 {
			slowest = max(slowest, l.Latency+l.Jitter+max(leastTimeout, 2*l.Latency))
		}
	}
	return leastQuiet + 2*roundTrips*slowest
}

// settled reports whether all devices have arrived, the timetable is done and
// nothing more will happen.
func (c *crowd) settled(w *world) bool {
	devices, whole := c.all()
	if !whole || w.due.Load() > 0 {
		return false
	}
	for c.calm < len(devices) && devices[c.calm].settled() {
		c.calm++
	}
	if c.calm < len(devices) {
		return false
	}
	c.calm = 0 // a settled device may have moved again: look once more
	for _, d := range devices {
		if !d.settled() {
			return false
		}
	}
	still, notUpgraded := w.recorder.still()
	enough := w.quiet
	if w.platform != nil && notUpgraded == 0 {
		enough -= leastQuiet - breath
	}
	return still >= enough
}

// checkTruth records a violation for what the device has said and is not so.
func (d *device) checkTruth() {
	d.mu.Lock()
	defer d.mu.Unlock()
	lies := witness.Lies(d.saved, func(component string) (string, bool) {
		i := d.component(component)
		if i < 0 {
			return "", false
		}
		return d.flashes[i].version(), true
	})
	for _, lie := range lies {
		d.violation(lie)
	}
}
