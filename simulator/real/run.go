package real

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"otafleet/agent/link"
	"otafleet/simulator/platform"
	"otafleet/simulator/verdict"
)

// Run is a run under way.
type Run struct{ world *world }

// Snapshot tells how the run stands.
func (r *Run) Snapshot() Snapshot { return r.world.recorder.now() }

// BrokerURL is where the run's devices connect.
func (r *Run) BrokerURL() string { return r.world.brokerURL }

// Platform is the stand-in of the run; nil with a platform of others. It lives as
// long as the run.
func (r *Run) Platform() *platform.StandIn { return r.world.platform }

// Simulate runs a scenario to its end and judges it. If ctx ends first, the
// verdict is about what there is, and says that it was interrupted. So it does
// beside an error of a run whose devices have lived.
func Simulate(ctx context.Context, options Options) (*verdict.Verdict, error) {
	w, err := newWorld(ctx, options)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var serving sync.WaitGroup
	serving.Go(w.poller.Run)
	broken := make(chan error, 1)
	if w.platform != nil {
		serving.Go(func() { broken <- w.platform.Run(run) })
	}
	peak := newPeak()
	failure := w.awaitPlatform(ctx)
	if failure == nil {
		if options.Started != nil {
			options.Started(&Run{w})
		}
		failure = w.play(ctx, run, broken, peak)
	}
	stop()
	stopped := failure
	failure = errors.Join(failure, w.poller.Close())
	serving.Wait()
	failure = errors.Join(failure, w.close())
	if w.ctx == nil { // no device has lived
		return nil, failure
	}
	figures := w.recorder.figures(w.sizes())
	figures.Chosen, figures.Refused = len(options.Only) > 0, w.recorder.refusals()
	v := verdict.New(w.scenario, w.seed, "real", figures)
	v.Part = w.selected.String()
	v.Resources = peak.resources()
	if ctx.Err() != nil || stopped != nil {
		v.Interrupt()
	}
	return v, failure
}

// platformWait is how long the stand-in may take to open its session with a
// broker of others.
const platformWait = 30 * time.Second

// awaitPlatform lets no device arrive before the stand-in hears what it says.
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
		return fmt.Errorf("%w: %w: are --platform-username and --platform-password-file right, and may it read and write every device's topics?", ErrRefused, err)
	}
	return fmt.Errorf("%w with %s after %s: are its user name and password right?", ErrRefused, w.brokerURL, platformWait)
}

// ErrRefused says that the broker does not let the stand-in platform in.
var ErrRefused = errors.New("the stand-in platform has no session")

// sizes lists the fleets with the devices of them that the run has.
func (w *world) sizes() []verdict.FleetSize {
	sizes := verdict.Sizes(w.scenario)
	for i := range sizes {
		sizes[i].Devices = w.selected.Count(i)
	}
	return sizes
}

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
	w.crowd.stopArriving()
	devices, _ := w.crowd.all()
	w.judgeTruth(devices)
	w.recorder.end()
	w.endLives(devices)
	end()
	w.endLives(devices) // those that were about to start again
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
			return errors.Join(errors.New("the stand-in platform stopped"), err)
		case <-look.C:
			peak.look()
			if w.crowd.settled(w) {
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

// endLives takes the power from every device that has it.
func (w *world) endLives(devices []*device) {
	for some := range slices.Chunk(devices, endTogether) {
		var lives []*life
		for _, d := range some {
			if l := d.takeLife(); l != nil {
				l.stop(link.ErrAbrupt)
				lives = append(lives, l)
			}
		}
		for _, l := range lives {
			l.tasks.Wait()
		}
	}
}
