package agent

import (
	"errors"
	"fmt"
	"time"

	"otafleet/firmware"
)

// How long a restart may take that was asked for.
const (
	restartAgain  = 30 * time.Second // before it is asked for again
	restartLate   = time.Minute      // before that is said
	restartGiveUp = 30 * time.Minute // before the upgrade ends without it
)

// restart asks for a restart until it comes: the state is saved, and the next
// start begins from there. The machine starts nothing meanwhile, and answers what
// it is asked.
func (r *Runner) restart(out Restart) {
	r.ports.Logger.Info("restarting", "scope", string(out.Scope))
	r.record(Event{Kind: EventRestart, Step: string(out.Scope)})
	r.tasks.Go(func() {
		err := r.awaitRestart(out)
		r.setTrouble(&r.unrestarted, nil)
		if r.ctx.Err() == nil {
			r.ports.Logger.Error("the restart is given up", "scope", string(out.Scope), "error", err)
			r.Post(RestartMissed{out.Op, err.Error()})
		}
	})
}

// awaitRestart returns why there was no restart, when it is given up. What keeps it
// is logged once, and again when that changes.
func (r *Runner) awaitRestart(out Restart) error {
	heard := ""
	for began, wait := time.Now(), time.Second; ; wait = min(2*wait, restartAgain) {
		err := r.ports.Power.Restart(r.ctx, out.Scope)
		if err != nil {
			err = fmt.Errorf("cannot restart: %w", err)
		} else if wait = restartAgain; time.Since(began) >= restartLate {
			err = errors.New("the restart of the " + string(out.Scope) + " was asked for, and does not come")
		}
		switch {
		case r.ctx.Err() != nil:
			return err
		case err != nil && time.Since(began) >= restartGiveUp:
			return fmt.Errorf("%w; that was tried for %s", err, restartGiveUp)
		case err != nil && err.Error() != heard:
			heard = err.Error()
			r.ports.Logger.Error("cannot restart the "+string(out.Scope)+"; trying again", "error", err)
			r.record(Event{Kind: EventTrouble, Detail: heard})
			r.setTrouble(&r.unrestarted, err)
		}
		if firmware.Pause(r.ctx, wait) != nil {
			return err
		}
	}
}
