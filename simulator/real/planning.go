package real

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"otafleet/simulator/model"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/scenario"
)

// uploadPackages puts the packages of the scenario's plans on the catalog.
func (w *world) uploadPackages(ctx context.Context) error {
	for _, p := range w.packages {
		if err := w.platform.AddPackage(ctx, p.Envelope, p.Manifest, []io.ReaderAt{bytes.NewReader(p.Bytes)}); err != nil {
			return err
		}
	}
	return nil
}

// createPlans creates the scenario's plans, whose times begin with the run.
func (w *world) createPlans() error {
	devices := w.members()
	for i := range w.scenario.Plans {
		if p := &w.scenario.Plans[i]; p.Repeat == nil {
			spec := model.PlanSpec(w.scenario, p, w.began, devices)
			if err := w.platform.Command(engine.CreatePlan{Plan: spec}); err != nil {
				return err
			}
		}
	}
	return nil
}

// members are the devices of the run.
func (w *world) members() (devices []model.Member) {
	for i := range w.arrivals {
		devices = append(devices, w.arrivals[i].Members...)
	}
	return devices
}

// orders are what the platform was not there to take, in their order.
type orders struct {
	mu      sync.Mutex // guards the following
	waiting []engine.Command
}

// command carries out an order, behind those before it and as soon as the platform
// is there to take it. One that comes too late, such as the suspension of a plan
// that has ended, changes nothing, and the verdict tells of it.
func (w *world) command(cmd engine.Command) {
	w.orders.mu.Lock()
	defer w.orders.mu.Unlock()
	if len(w.orders.waiting) == 0 {
		err := w.order(cmd)
		if !errors.Is(err, platform.ErrDown) {
			w.commanded(cmd, err)
			return
		}
		w.tasks.Go(w.catchUp)
	}
	w.due.Add(1)
	w.orders.waiting = append(w.orders.waiting, cmd)
}

// order gives an order to whoever has the plans.
func (w *world) order(cmd engine.Command) error {
	if s, is := w.face.(*staged); is {
		return s.order(cmd)
	}
	return w.platform.Command(cmd)
}

// catchUp waits for the platform, and gives it the orders that have waited.
func (w *world) catchUp() {
	for left := true; left && w.ctx.Err() == nil; left = w.giveOrders() {
		netem.Sleep(w.ctx, downPause)
	}
}

// giveOrders gives the platform the orders that wait, and reports whether some are
// left since it is down.
func (w *world) giveOrders() (left bool) {
	w.orders.mu.Lock()
	defer w.orders.mu.Unlock()
	for len(w.orders.waiting) > 0 {
		cmd := w.orders.waiting[0]
		err := w.order(cmd)
		if errors.Is(err, platform.ErrDown) {
			return true
		}
		w.orders.waiting = w.orders.waiting[1:]
		w.commanded(cmd, err)
		w.happened()
	}
	return false
}

func (w *world) commanded(cmd engine.Command, err error) {
	if err == nil || w.ctx.Err() != nil {
		return
	}
	w.log.Warn("the platform refuses an order", "error", err)
	w.recorder.refuse(cmd, err)
}

// downPause is the pause between tries while the platform is down.
const downPause = 100 * time.Millisecond

// letUsersAnswer lets the user of a device answer the manual plans, after a time
// that begins when the plan is active and the device has been connected.
func (d *device) letUsersAnswer() {
	if d.world.platform == nil {
		return
	}
	for i := range d.world.scenario.Plans {
		p := &d.world.scenario.Plans[i]
		operation, after, answers := model.UserOf(p, d.Fleet, d.ID.Device, d.world.seed)
		if !answers {
			continue
		}
		d.After(max(0, p.Starts-d.world.elapsed())+after, func() {
			d.world.awaitPlan(p)
			d.world.command(engine.UserAnswer{Device: d.ID, Plan: p.Name, Operation: operation})
		})
	}
}

// awaitPlan waits until the order to activate a plan has been given: a user who
// answers in the same moment comes after it.
func (w *world) awaitPlan(p *scenario.Plan) {
	select {
	case <-w.activated[p.Name]:
	case <-w.ctx.Done():
	}
}
