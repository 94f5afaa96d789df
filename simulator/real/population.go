package real

import (
	"cmp"
	"context"
	"sync"
	"time"

	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// population is the devices that have arrived so far.
type population struct {
	stop     context.CancelFunc
	arriving sync.WaitGroup

	calm  int       // owned by settled: devices before this one were settled when last looked at
	still stillness // owned by settled

	mu      sync.Mutex // guards the following
	devices []*device
	whole   bool // none is missing
}

// arriveAll lets the devices arrive at their times, until ctx ends.
func (w *world) arriveAll(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	w.population.stop = stop
	w.population.arriving.Go(func() {
		for i := range w.arrivals {
			netem.Sleep(ctx, time.Until(w.began.Add(w.arrivals[i].At)))
			if ctx.Err() != nil {
				return
			}
			w.arrive(&w.arrivals[i])
		}
		w.population.mu.Lock()
		defer w.population.mu.Unlock()
		w.population.whole = true
	})
}

// arrive makes a device and those behind it, and gives them power.
func (w *world) arrive(g *model.Group) {
	first := newDevice(w, g.Gateway())
	devices := []*device{first}
	for _, m := range g.Behind() {
		devices = append(devices, newSubDevice(w, m, first))
	}
	w.population.add(devices)
	w.separate(first)
	for _, d := range devices {
		d.record(verdict.Event{Kind: verdict.Arrived, Text: d.Fleet.Name})
		for _, f := range d.Faults {
			if !d.Extra {
				w.recorder.drawn(f.Name())
			}
		}
		d.powerOn()
	}
}

func (c *population) add(devices []*device) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.devices = append(c.devices, devices...)
}

// stopArriving lets no further device arrive.
func (c *population) stopArriving() {
	c.stop()
	c.arriving.Wait()
}

// all returns the devices that have arrived, and whether no other one will.
func (c *population) all() (devices []*device, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.devices, c.whole
}

// breath is how long nothing must have happened anywhere before a fleet of which
// every device is at an end is taken to stay as it is: the platform may have another
// plan for it. If some are not, which may still hear of one, it is
// scenario.LeastPatience. Both grow with the latency of the links.
const breath = time.Second

// stillness is for how long nothing has happened, of the time in which this program ran.
// A machine that stood still, or had no processor for it, has not shown that nothing comes.
type stillness struct {
	moved time.Duration // in the run: when something happened last
	looks int           // since then
}

// look is called every settleEvery, or less often where the machine is late. moved and now
// are times of the run.
func (s *stillness) look(moved, now time.Duration) time.Duration {
	if moved != s.moved {
		*s = stillness{moved: moved}
		return 0
	}
	s.looks++
	return min(now-moved, time.Duration(s.looks)*settleEvery)
}

// settled reports whether all devices have arrived, the schedule is done and
// nothing more will happen. It is asked every settleEvery.
func (c *population) settled(w *world) bool {
	moved, notUpgraded := w.recorder.lastMove()
	still := c.still.look(moved, w.elapsed())
	devices, whole := c.all()
	if !whole || w.due.Load() > 0 || !w.planned.Load() && w.elapsed() < w.settings.PlanWait {
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
	enough := w.quiet
	if w.platform != nil && notUpgraded == 0 {
		enough -= scenario.LeastPatience - breath
	}
	return still >= enough
}

// trouble says why the device has no session; d.mu is held.
func (d *device) trouble() string {
	if d.member != nil {
		return "its gateway has no session"
	}
	if d.current == nil {
		return "it has no power"
	}
	return cmp.Or(d.current.session.Health().Trouble, "nothing answered")
}

// checkTruth records, at the end of the run, what the device has left unsaid, and what
// it has said and is not so.
func (d *device) checkTruth() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.judged = true
	if !d.reached {
		d.record(verdict.Event{Kind: verdict.Unreached, Text: d.trouble()})
	}
	for _, e := range d.Last(d.runs) {
		d.record(e)
	}
	if d.world.platform != nil && d.world.scenario.Expect.BelievesVersions() {
		d.world.platform.View(func(e *engine.Engine) {
			for _, e := range d.Mistakes(e, d.runs) {
				d.record(e)
			}
		})
	}
}
