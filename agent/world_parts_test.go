package agent_test

import (
	"fmt"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// flash is a component with its installer. Its fields survive a power cut.
type flash struct {
	needs    firmware.Restart // that an activation asks for
	from     string           // what ran before the plan
	runs     string
	previous string // what ran before the last activation
	fetched  string // what lies in the inactive place
	staged   string // what is ready to run
	next     string // what the next restart makes run; empty for the same
	trial    bool   // the running version is not permanent
}

// restart is what a component does when the device, or the agent alone,
// restarts. One that is on trial and restarts with the device falls back, as a
// boot loader does that gives a new version one try.
func (f *flash) restart(power, broken bool) {
	fallsBack := f.needs == firmware.RestartSystem
	switch {
	case f.next != "" && (power || f.needs == firmware.RestartProcess):
		f.previous, f.runs, f.next = f.runs, f.next, ""
		f.trial = f.runs != f.from
		if f.trial && broken && fallsBack {
			f.runs, f.trial = f.previous, false
		}
	case f.trial && power && fallsBack:
		f.runs, f.trial = f.previous, false
	}
}

func (f *flash) activate(target string) (firmware.Restart, error) {
	switch {
	case f.runs == target:
		return firmware.RestartNone, nil // it was activated before a cut
	case f.staged != target:
		return firmware.RestartNone, fmt.Errorf("%q is staged and %q activated", f.staged, target)
	case f.needs == firmware.RestartNone:
		f.previous, f.runs, f.trial = f.runs, target, true
		return firmware.RestartNone, nil
	}
	f.next = target
	return f.needs, nil
}

func (f *flash) revert(source string) firmware.Restart {
	f.staged, f.next = "", ""
	switch {
	case f.runs == source:
		f.trial = false
		return firmware.RestartNone
	case f.needs == firmware.RestartNone:
		f.runs, f.trial = source, false
		return firmware.RestartNone
	}
	f.next = source
	return f.needs
}

// strikes reports whether the fault hits now.
func (f *fault) strikes(component, step string) bool {
	if f.component != component || f.step != step {
		return false
	}
	if !f.always {
		f.step = "" // it is over
	}
	return true
}

func (f *fault) failure(component, step string, code ota.Code) *ota.Failure {
	if f.strikes(component, step) {
		return &ota.Failure{Code: code, Detail: "as planned"}
	}
	return nil
}

// fetch downloads a package at once.
func (w *world) fetch(out agent.Fetch) {
	id, f := out.Job.Component, w.flashes[out.Job.Component]
	w.urlCache[id] = out.Package
	result := agent.Fetched{Op: out.Op}
	switch {
	case out.Job.Files[0].SHA256[0] == 3 && w.fault.strikes(id, "base"): // a delta, see openText
		result.Failure = &ota.Failure{Code: ota.DeltaFailed}
	case w.fault.strikes(id, "fetch"):
		result.Failure = &ota.Failure{Code: ota.DigestMismatch}
	case !out.Setbacks.Renewed && w.fault.strikes(id, "mirrors"):
		result.Need, result.Setbacks.Renewed = ota.AddressMirrors, true
	case out.Setbacks.Renewed && w.fault.always && w.fault.step == "mirrors":
		result.Failure = &ota.Failure{Code: ota.HTTPError}
	default:
		f.fetched = out.Job.Target
	}
	w.inbox = append(w.inbox, agent.FetchStarted{Op: out.Op}, result)
}

// install runs an installer's step at once.
func (w *world) install(out agent.Output) {
	var result agent.Input
	switch out := out.(type) {
	case agent.Stage:
		result = w.stage(out)
	case agent.Activate:
		result = w.activate(out)
	case agent.CheckHealth:
		result = w.check(out)
	case agent.Confirm:
		result = w.confirm(out)
	case agent.Revert:
		id := out.Job.Component
		w.mustBeIn(id, agent.StepRevert)
		restart := w.flashes[id].revert(out.Job.Source)
		result = agent.RevertDone{Op: out.Op, Restart: restart, Version: w.flashes[id].runs}
	default:
		w.fail("unknown output %T", out)
	}
	w.inbox = append(w.inbox, result)
}

func (w *world) stage(out agent.Stage) agent.Input {
	id, f := out.Job.Component, w.flashes[out.Job.Component]
	failure := w.fault.failure(id, "stage", ota.UnpackFailed)
	if failure == nil && len(out.Job.Files) > 0 && out.Job.Files[0].SHA256[0] == 3 {
		failure = w.fault.failure(id, "patch", ota.DeltaFailed)
	}
	switch {
	case f.fetched != out.Job.Target || len(out.Job.Files) == 0:
		w.fail("component %s: %s is staged and %q was fetched, %d files", id, out.Job.Target, f.fetched, len(out.Job.Files))
	case failure == nil:
		f.staged = out.Job.Target
	}
	return agent.Staged{Op: out.Op, Failure: failure}
}

func (w *world) activate(out agent.Activate) agent.Input {
	id := out.Job.Component
	w.mustBeIn(id, agent.StepActivate)
	if failure := w.fault.failure(id, "activate", ota.WriteFailed); failure != nil {
		return agent.Activated{Op: out.Op, Failure: failure}
	}
	restart, err := w.flashes[id].activate(out.Job.Target)
	if err != nil {
		w.fail("component %s: %w", id, err)
	}
	return agent.Activated{Op: out.Op, Restart: restart}
}

func (w *world) check(out agent.CheckHealth) agent.Input {
	id := out.Job.Component
	w.mustBeIn(id, agent.StepTrial)
	version := w.flashes[id].runs
	failure := w.fault.failure(id, "health", ota.HealthCheckFailed)
	w.healthy[id] = failure == nil && version == out.Job.Target
	return agent.HealthChecked{Op: out.Op, Version: version, Failure: failure}
}

func (w *world) confirm(out agent.Confirm) agent.Input {
	id, f := out.Job.Component, w.flashes[out.Job.Component]
	w.mustBeIn(id, agent.StepConfirm)
	if f.runs != out.Job.Target || !w.healthy[id] || !w.connected && w.machine.View().Plan.Local == "" {
		w.fail("component %s is made permanent: runs %s, healthy %t, connected %t", id, f.runs, w.healthy[id], w.connected)
	}
	failure := w.fault.failure(id, "confirm", ota.InstallerFailed)
	if failure == nil {
		f.trial = false
	}
	return agent.Confirmed{Op: out.Op, Failure: failure}
}
