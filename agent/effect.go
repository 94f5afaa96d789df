package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/reporter"
)

// How long an installer may ask to be called again (the protocol's rule 7.8).
const (
	retryFirst  = 5 * time.Second
	retryCap    = 5 * time.Minute
	retryGiveUp = 24 * time.Hour
)

// How long a component that is silent on trial is asked again, and how often:
// devices and ports may come late after a restart.
const (
	trialPatience = time.Minute
	trialPause    = 2 * time.Second
)

// effect is an output that takes long.
type effect struct {
	out    Output
	ctx    context.Context // ends when the effect has to
	cancel context.CancelFunc
}

// startEffect runs an effect beside the machine and posts its result. There is
// one at a time: it begins when the one before it, which may have been
// cancelled, has let go of the component.
func (r *Runner) startEffect(out Output) {
	ctx, cancel := context.WithCancel(r.ctx)
	r.cancelOp = cancel
	r.mu.Lock()
	defer r.mu.Unlock()
	r.effects = append(r.effects, effect{out, ctx, cancel})
	if !r.working {
		r.working = true
		r.tasks.Go(r.work)
	}
}

// work carries out one effect after the other. Mostly the result of one decides which one
// is next, so what the machine says of it is heard here, too, on the same goroutine.
func (r *Runner) work() {
	for {
		e, ok := r.nextEffect()
		if !ok {
			return
		}
		if r.carryOut(e) {
			r.drain()
		}
	}
}

func (r *Runner) nextEffect() (e effect, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.effects) == 0 {
		r.effects, r.working = nil, false
		return effect{}, false
	}
	e = r.effects[0]
	r.effects = r.effects[1:]
	return e, true
}

// carryOut performs an effect, and queues its result unless it was cancelled. It reports
// whether the caller has to drain the queue.
func (r *Runner) carryOut(e effect) (drain bool) {
	defer e.cancel()
	began := r.ports.Now()
	name, component := effectOf(e.out)
	defer r.silent.take(component)()
	r.record(Event{Kind: EventBegun, Step: name, Component: component})
	result := r.perform(e.ctx, e.out)
	if e.ctx.Err() != nil {
		return false
	}
	r.recordEnd(e.out, result, r.ports.Now().Sub(began))
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.enqueue(result)
}

func (r *Runner) perform(ctx context.Context, out Output) Input {
	switch out := out.(type) {
	case Fetch:
		return r.fetch(ctx, out)
	case Stage:
		return Staged{out.Op, r.attempt(ctx, out.Job, "stage", func(i firmware.Installer) error {
			return i.Stage(ctx, out.Job)
		})}
	case Activate:
		restart := firmware.RestartNone
		failure := r.attempt(ctx, out.Job, "activate", func(i firmware.Installer) (err error) {
			restart, err = i.Activate(ctx, out.Job)
			return err
		})
		return Activated{out.Op, restart, failure}
	case CheckHealth:
		return r.checkHealth(ctx, out)
	case Confirm:
		return Confirmed{out.Op, r.attempt(ctx, out.Job, "confirm", func(i firmware.Installer) error {
			return i.Commit(ctx, out.Job)
		})}
	case Revert:
		return r.revert(ctx, out)
	}
	panic(fmt.Sprintf("internal error: unknown output %T", out))
}

// fetch keeps the package's address for the next start, then fills the inactive
// places.
func (r *Runner) fetch(ctx context.Context, out Fetch) Input {
	failed := func(failure *ota.Failure) Input {
		return Fetched{Op: out.Op, Failure: failure, Setbacks: out.Setbacks}
	}
	var places []firmware.Target
	failure := r.attempt(ctx, out.Job, "open", func(i firmware.Installer) (err error) {
		if err := r.ports.URLCache.KeepPackage(out.Package); err != nil {
			return firmware.WriteFailure(err)
		}
		places, err = i.Open(ctx, out.Job)
		return err
	})
	if failure != nil {
		return failed(failure)
	}
	defer func() {
		for _, p := range places {
			p.Close() // every chunk was synced when it was written
		}
	}()
	var pace reporter.Pace
	result := r.ports.Fetcher.Fetch(ctx, FetchJob{
		ID: out.Job.ID(), Mark: r.mark(out.Job.Component),
		Files: out.Job.Files, Addresses: out.Package.Files, Places: places, Local: out.Local,
		Setbacks: out.Setbacks, Online: r.connected.Load,
		Started: func() { r.Post(FetchStarted{out.Op}) },
		Progress: func(done, total int64) {
			if pace.Due(time.Now()) {
				r.delayed("", 0)
				r.Post(FetchProgressed{out.Op, done, total})
			}
		},
		Delayed: func(why string, pause time.Duration) { r.delayed("the last request failed: "+why, pause) },
	})
	r.delayed("", 0)
	ended := Fetched{Op: out.Op, Need: result.Need, Gained: result.Gained, Found: result.Found, Setbacks: result.Setbacks}
	switch {
	case result.Failure != nil:
		ended.Failure = AsFailure(result.Failure, ota.Internal)
	case result.Need == "":
		ended.Failure = r.lookAgain(ctx, out.Job)
	}
	return ended
}

// mark keeps how far the download of a component has come; nil keeps nothing.
func (r *Runner) mark(component string) Mark {
	if r.ports.Marks == nil {
		return nil
	}
	return r.ports.Marks.Mark(component)
}

// lookAgain looks whether patches still start from what runs, which may have
// changed while they came: the device can still ask for the full package then.
func (r *Runner) lookAgain(ctx context.Context, job firmware.Job) *ota.Failure {
	if !slices.ContainsFunc(job.Files, func(f ota.File) bool { return f.Encoding == ota.BSDiff }) {
		return nil
	}
	return r.attempt(ctx, job, "open", func(i firmware.Installer) error {
		places, err := i.Open(ctx, job)
		for _, p := range places {
			p.Close() // nothing was written to it
		}
		return err
	})
}

// checkHealth asks the component for its version, then the device for its
// health.
func (r *Runner) checkHealth(ctx context.Context, out CheckHealth) Input {
	version, failure := r.inspectOnTrial(ctx, out.Job)
	switch taken := r.ports.RolledBack; {
	case failure != nil:
	case version != out.Job.Target && taken != "":
		r.ports.RolledBack = "" // it is about one upgrade
		failure = &ota.Failure{Code: ota.BootFailed, Detail: taken}
	case version == out.Job.Target:
		if err := r.ports.Health.Check(ctx); err != nil {
			failure = AsFailure(err, ota.HealthCheckFailed)
		}
	}
	return HealthChecked{out.Op, version, failure}
}

// inspectOnTrial asks the component for its version, and again for a while if it
// is silent. The version is empty if it says none.
func (r *Runner) inspectOnTrial(ctx context.Context, job firmware.Job) (version string, failure *ota.Failure) {
	var found firmware.Inspection
	for began := (time.Time{}); ; {
		failure = r.attempt(ctx, job, "inspect", func(i firmware.Installer) (err error) {
			found, err = i.Inspect(ctx)
			return err
		})
		if failure == nil && ota.ValidVersion(found.Version) {
			return found.Version, nil
		}
		if began.IsZero() {
			began = time.Now()
		}
		if time.Since(began) >= trialPatience || firmware.Pause(ctx, trialPause) != nil {
			return "", failure
		}
	}
}

func (r *Runner) revert(ctx context.Context, out Revert) Input {
	restart := firmware.RestartNone
	failure := r.attempt(ctx, out.Job, "revert", func(i firmware.Installer) (err error) {
		restart, err = i.Revert(ctx, out.Job)
		return err
	})
	version, err := r.inspect(ctx, out.Job.Component)
	if err != nil && restart == firmware.RestartNone {
		r.silence(out.Job.Component, err)
	}
	return RevertDone{Op: out.Op, Restart: restart, Version: version, Failure: failure}
}

// attempt calls an installer, again and again while it asks for that.
func (r *Runner) attempt(ctx context.Context, job firmware.Job, step string,
	call func(firmware.Installer) error) *ota.Failure {
	installer, err := r.installer(job.Component)
	if err != nil {
		return AsFailure(err, ota.InstallerFailed)
	}
	defer r.delayed("", 0)
	began := time.Now()
	for wait := retryFirst; ; wait = min(2*wait, retryCap) {
		err := call(installer)
		switch {
		case err == nil:
			return nil
		case !firmware.Passes(err):
			return AsFailure(err, ota.InstallerFailed)
		case time.Since(began) >= retryGiveUp:
			return &ota.Failure{Code: ota.InstallerFailed,
				Detail: fmt.Sprintf("%s: asked to try again for %s", step, retryGiveUp)}
		}
		r.ports.Logger.Info("installer asks to try again later", "component", job.Component, "step", step, "wait", wait)
		r.delayed(fmt.Sprintf("its installer wants another try of %s (%v)", step, err), wait)
		if firmware.Pause(ctx, wait) != nil {
			return &ota.Failure{Code: ota.InstallerFailed, Detail: "cancelled"}
		}
	}
}

func (r *Runner) installer(component string) (firmware.Installer, error) {
	if find := r.ports.Installer; find != nil {
		if i := find(component); i != nil {
			return i, nil
		}
	}
	return nil, fmt.Errorf("component %s has no installer", component)
}

// inspectAll asks every component what it runs, all at once. Those that are
// silent are asked again.
func (r *Runner) inspectAll() []Found {
	ctx, cancel := context.WithTimeout(r.ctx, inspectWait)
	defer cancel()
	found := make([]Found, len(r.machine.config.Components))
	var asked sync.WaitGroup
	for i, c := range r.machine.config.Components {
		found[i] = Found{ID: c.ID, Package: r.ports.URLCache.KeptPackage(c.ID)}
		asked.Go(func() {
			var err error
			if found[i].Version, err = r.inspectWithin(ctx, c.ID); err != nil {
				r.silence(c.ID, err)
			}
		})
	}
	asked.Wait()
	return found
}
