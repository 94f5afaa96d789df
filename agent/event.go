package agent

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// Event is something that happened to the device, for whoever looks at it later.
type Event struct {
	Time      time.Time
	Kind      EventKind
	Plan      string // empty for what is about no plan
	Attempt   int
	Component string
	Step      string // of a step its status, of an effect its name
	Code      string // why something failed or was refused
	Detail    string
	Took      time.Duration // of an effect that ended
}

// EventKind says what happened. Names lie in logs in the field: they may be added
// to, and never change their meaning.
type EventKind string

// The kinds.
const (
	EventStarted      EventKind = "started"      // the agent
	EventStopped      EventKind = "stopped"      // the agent
	EventConnected    EventKind = "connected"    // to the platform
	EventDisconnected EventKind = "disconnected" // from it
	EventAsked        EventKind = "asked"        // the operator, or the confirm command
	EventAnswered     EventKind = "answered"     // by the operator or the confirm command
	EventAccepted     EventKind = "accepted"     // a plan
	EventRefused      EventKind = "refused"      // a plan
	EventPaused       EventKind = "paused"
	EventResumed      EventKind = "resumed"
	EventInstall      EventKind = "install" // the operator installs a package file
	EventStep         EventKind = "step"    // a component has another status
	EventBegun        EventKind = "begun"   // an effect
	EventEnded        EventKind = "ended"   // an effect
	EventRestart      EventKind = "restart" // the agent or the system is to restart
	EventTrouble      EventKind = "trouble" // the state cannot be saved, or the device not restarted
)

// Recorder keeps events. It must not block for long and cannot fail: an upgrade
// does not depend on it. Package eventlog implements it.
type Recorder interface{ Record(e Event) }

// record hands an event to the recorder, if there is one.
func (r *Runner) record(e Event) {
	if r.ports.Events == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = r.ports.Now()
	}
	r.ports.Events.Record(e)
}

// recordInput records what comes from outside.
func (r *Runner) recordInput(in Input) {
	switch in := in.(type) {
	case Booted:
		r.record(Event{Kind: EventStarted, Detail: "boot " + in.BootID})
	case Connected:
		r.record(Event{Kind: EventConnected})
	case Disconnected:
		r.record(Event{Kind: EventDisconnected})
	case Decided:
		answer := "declines"
		if in.Accept {
			answer = "agrees"
		}
		r.record(Event{Kind: EventAnswered, Plan: in.Plan, Step: answer, Detail: in.Detail})
	case PauseRequested:
		r.record(Event{Kind: EventPaused, Detail: in.Reason})
	case ResumeRequested:
		r.record(Event{Kind: EventResumed})
	case Install:
		r.record(Event{Kind: EventInstall, Plan: in.Plan.ID, Component: in.Package.Component, Detail: in.Path})
	}
}

// recordDecision records an answer to a plan.
func (r *Runner) recordDecision(d *ota.Decision) {
	e := Event{Kind: EventAccepted, Plan: d.Plan, Attempt: d.Attempt}
	if !d.Accept {
		e.Kind, e.Code, e.Detail = EventRefused, string(d.Reason), d.Detail
	}
	r.record(e)
}

// recordReport records a step of a component.
func (r *Runner) recordReport(p *ota.Report) {
	e := Event{Time: p.Time, Kind: EventStep, Plan: p.Plan, Attempt: p.Attempt, Component: p.Component,
		Step: p.Status.String()}
	if p.Failure != nil {
		e.Code, e.Detail = string(p.Failure.Code), p.Failure.Detail
	}
	r.record(e)
}

// effectOf names an effect and its component.
func effectOf(out Output) (name, component string) {
	switch out := out.(type) {
	case Fetch:
		return "download", out.Job.Component
	case Stage:
		return "stage", out.Job.Component
	case Activate:
		return "activate", out.Job.Component
	case CheckHealth:
		return "check health", out.Job.Component
	case Confirm:
		return "confirm", out.Job.Component
	case Revert:
		return "revert", out.Job.Component
	}
	return fmt.Sprintf("%T", out), ""
}

// recordEnd records how an effect ended.
func (r *Runner) recordEnd(out Output, result Input, took time.Duration) {
	e := Event{Kind: EventEnded, Took: took}
	e.Step, e.Component = effectOf(out)
	var failure *ota.Failure
	switch in := result.(type) {
	case Fetched:
		failure, e.Detail = in.Failure, string(in.Need)
	case Staged:
		failure = in.Failure
	case Activated:
		failure, e.Detail = in.Failure, "restart "+string(in.Restart)
	case HealthChecked:
		failure, e.Detail = in.Failure, "runs "+in.Version
	case Confirmed:
		failure = in.Failure
	case RevertDone:
		failure, e.Detail = in.Failure, "runs "+in.Version
	}
	if failure != nil {
		e.Code, e.Detail = string(failure.Code), failure.Detail
	}
	r.record(e)
}
