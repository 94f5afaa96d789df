package real

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"otafleet/agent/link"
	"otafleet/simulator"
)

// Snapshot tells how the run stands (simulator.Run).
func (w *world) Snapshot() simulator.Snapshot { return w.recorder.now() }

// Run runs devices to their end (simulator.World).
func (w *World) Run(ctx context.Context, o *simulator.Options) (*simulator.Result, error) {
	started, err := newWorld(ctx, w, o)
	if err != nil {
		return nil, err
	}
	return started.run(ctx, o)
}

// run lets the devices live, and lets go of everything that newWorld has opened.
func (w *world) run(ctx context.Context, o *simulator.Options) (*simulator.Result, error) {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var serving sync.WaitGroup
	serving.Go(w.poller.Run)
	broken := make(chan error, 2)
	if w.platform != nil {
		serving.Go(func() { broken <- w.platform.Run(run) })
	}
	serving.Go(func() {
		if err := w.face.run(run, w.platform); err != nil {
			broken <- err
		}
	})
	var peak peak
	failure := w.awaitPlatform(ctx)
	if failure == nil {
		failure = w.begin(ctx, o)
	}
	if failure == nil {
		failure = w.play(ctx, run, broken, &peak)
	}
	stop()
	interrupted := ctx.Err() != nil || failure != nil
	failure = errors.Join(failure, w.poller.Close())
	serving.Wait()
	failure = errors.Join(failure, w.close())
	if w.ctx == nil { // no device has lived
		return nil, failure
	}
	return &simulator.Result{Figures: w.recorder.figures(o.Sizes()), Refused: w.recorder.refusals(),
		Sockets: peak.sockets, Interrupted: interrupted}, failure
}

// begin gives the run to those who look on, and waits until it may begin.
func (w *world) begin(ctx context.Context, o *simulator.Options) error {
	if w.settings.Serving != nil {
		w.settings.Serving(w.face.address(), w.platform)
	}
	if err := o.Await(ctx); err != nil {
		return err
	}
	if o.Started != nil {
		o.Started(w)
	}
	return nil
}

// platformWait is how long the fake platform may take to open its session with a
// external broker.
const platformWait = 30 * time.Second

// awaitPlatform lets no device arrive before the fake platform hears what it says.
func (w *world) awaitPlatform(ctx context.Context) error {
	if w.platform == nil {
		return nil
	}
	patience, cancel := context.WithTimeout(ctx, platformWait)
	defer cancel()
	err := w.platform.Hears(patience)
	switch {
	case err == nil || ctx.Err() != nil:
		return nil
	case patience.Err() == nil:
		return fmt.Errorf("%w: %w: are --platform-username and --platform-password-file right, and may it read and write "+
			"every device's topics?", ErrRefused, err)
	}
	return fmt.Errorf("%w with %s after %s: are its user name and password right?", ErrRefused,
		w.face.address(), platformWait)
}

// ErrRefused says that the broker does not let the fake platform in.
var ErrRefused = errors.New("the fake platform has no session")

// settleEvery is how often the devices are asked whether they are done.
const settleEvery = 250 * time.Millisecond

// play lets the devices arrive and live until they are settled or time is up,
// and ends them. ctx is the user's, run is the devices'; broken gives why the
// platform stopped.
func (w *world) play(ctx, run context.Context, broken <-chan error, peak *peak) error {
	devicesCtx, end := context.WithCancel(run)
	defer end()
	w.ctx = devicesCtx
	w.began = w.recorder.start()
	if w.platform != nil {
		if err := w.createPlans(); err != nil {
			return err
		}
	}
	w.follow(devicesCtx)
	w.arriveAll(devicesCtx)
	failure := w.watch(ctx, broken, peak)
	w.population.stopArriving()
	devices, _ := w.population.all()
	w.judgeTruth(devices)
	failure = errors.Join(failure, w.believe(ctx, devices))
	w.recorder.end()
	w.powerOffAll(devices)
	end()
	w.powerOffAll(devices) // those that were about to start again
	w.tasks.Wait()
	return failure
}

// elapsed is how long the run has been under way.
func (w *world) elapsed() time.Duration { return time.Since(w.began) }

// watch waits until the devices are settled, time is up, or ctx ends. An error
// says that the platform stopped.
func (w *world) watch(ctx context.Context, broken <-chan error, peak *peak) error {
	deadline := time.NewTimer(w.scenario.Duration)
	defer deadline.Stop()
	look := time.NewTicker(settleEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-deadline.C:
			return nil
		case err := <-broken:
			return errors.Join(errors.New("the fake platform stopped"), err)
		case <-look.C:
			peak.look()
			if w.population.settled(w) {
				return nil
			}
		}
	}
}

// judgeTruth holds what the devices run against what the platform believes.
func (w *world) judgeTruth(devices []*device) {
	for _, d := range devices {
		d.checkTruth()
	}
}

// endTogether is how many devices lose their power at one moment: all at once
// would take more memory than the run did.
const endTogether = 256

// powerOffAll takes the power from every device that has it.
func (w *world) powerOffAll(devices []*device) {
	for some := range slices.Chunk(devices, endTogether) {
		var boots []*boot
		for _, d := range some {
			if l := d.takePower(); l != nil {
				l.stop(link.ErrAbrupt)
				boots = append(boots, l)
			}
		}
		for _, l := range boots {
			l.tasks.Wait()
		}
	}
}
