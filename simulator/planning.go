package simulator

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"time"

	"otafleet/simulator/fault"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
	"otafleet/simulator/stock"
)

// stockUp makes the packages of the scenario's plans and puts them on the
// stand-in's shelves.
func (w *world) stockUp(ctx context.Context, key ed25519.PrivateKey) error {
	made, err := stock.Make(w.scenario, w.seed, key, time.Now())
	if err != nil {
		return err
	}
	for _, p := range made {
		if err := w.platform.AddPackage(ctx, p.Envelope, p.Manifest, []io.ReaderAt{bytes.NewReader(p.Bytes)}); err != nil {
			return err
		}
	}
	return nil
}

// createPlans creates the scenario's plans, whose times begin with the run.
func (w *world) createPlans() error {
	var devices []stock.Device
	for i := range w.arrivals {
		a := &w.arrivals[i]
		for _, m := range append([]member{a.member}, a.behind...) {
			devices = append(devices, stock.Device{Fleet: m.fleet.spec, N: m.n})
		}
	}
	for i := range w.scenario.Plans {
		p := &w.scenario.Plans[i]
		if err := w.platform.Command(engine.CreatePlan{Plan: stock.Plan(w.scenario, p, w.began, devices)}); err != nil {
			return err
		}
	}
	return nil
}

// command carries out an order, once the platform is there to take it. One that
// comes too late, such as the suspension of a plan that has ended, changes
// nothing.
func (w *world) command(cmd engine.Command) {
	err := w.platform.Command(cmd)
	for errors.Is(err, platform.ErrDown) && w.ctx.Err() == nil {
		pause(w.ctx, downPause)
		err = w.platform.Command(cmd)
	}
	if err != nil && w.ctx.Err() == nil {
		w.log.Warn("the platform refuses an order", "error", err)
	}
}

// downPause is how often somebody tries who finds the platform down.
const downPause = 100 * time.Millisecond

// letUsersAnswer lets the user of a device answer the manual plans, after a time
// that begins when the plan is active and the device has been connected.
func (d *device) letUsersAnswer() {
	for i := range d.world.scenario.Plans {
		p := &d.world.scenario.Plans[i]
		operation, answers := d.userOf(p)
		if !answers {
			continue
		}
		wait := max(0, p.Starts-d.world.elapsed()) + p.Users.After.At(d.drawUser(p, 1))
		d.After(wait, func() {
			d.world.command(engine.UserAnswer{Device: d.id, Plan: p.Name, Operation: operation})
		})
	}
}

// userOf is what the user of the device says to a plan, if anything.
func (d *device) userOf(p *scenario.Plan) (operation engine.UserOperation, answers bool) {
	if p.Users == nil || !p.Covers(d.fleet.spec) || d.world.platform == nil {
		return "", false
	}
	switch u := d.drawUser(p, 0); {
	case u < p.Users.Confirm.Share():
		return engine.UserConfirm, true
	case u < (p.Users.Confirm + p.Users.Cancel).Share():
		return engine.UserCancel, true
	}
	return "", false
}

func (d *device) drawUser(p *scenario.Plan, occurrence int) float64 {
	return fault.Uniform(d.world.seed, d.id.Device, "user of "+p.Name, occurrence)
}
