package agent_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// world is a device with a disk, components that survive a power cut, and a
// platform. Everything in it happens in one order, so that a run can be played
// again and cut at any output.
type world struct {
	config   agent.Config
	flashes  map[string]*flash
	platform *platform
	fault    fault
	cuts     []cut
	late     bool // the connection comes only when the device can do nothing without it

	// The device; lost at a cut are the machine, the inbox and what follows.
	saved     *agent.State // the disk
	urlCache  map[string]*ota.Package
	now       time.Time
	boots     int
	machine   *agent.Machine
	inbox     []agent.Input
	timer     time.Time
	effects   effects
	connected bool
	healthy   map[string]bool // checked since the start

	pauseAt int  // the output after which the operator pauses the device; 0 for never
	pauses  bool // the device has been paused and resumed

	outputs int // executed so far
	done    int // cuts made so far
	err     error
}

// cut says when a device loses its power or its agent.
type cut struct {
	output int  // the number of the output
	after  bool // it has just been executed
	crash  bool // only the agent ends
}

// fault is something that goes wrong with a component.
type fault struct {
	component string
	step      string
	always    bool // not only the first time
}

// run plays the world to its end and says what is wrong with it.
func (w *world) run() error {
	w.start()
	for range 4000 {
		switch {
		case w.err != nil:
			return w.err
		case len(w.inbox) > 0:
			in := w.inbox[0]
			w.inbox = w.inbox[1:]
			w.handle(in)
		case w.pauseAt > 0 && w.outputs >= w.pauseAt:
			w.pauseAt = 0
			w.handle(agent.PauseRequested{})
		case !w.connected:
			w.handle(agent.Connected{})
		case w.machine.View().Paused != nil && w.outputs > 0 && w.idle():
			w.pauses = true
			w.handle(agent.ResumeRequested{})
		case w.platform.finished() && w.machine.View().Pending == 0:
			return w.judge()
		case w.timer.IsZero():
			return fmt.Errorf("the device is stuck: %s", w.machine.View().Waiting)
		default:
			w.now, w.timer = w.timer, time.Time{}
			w.handle(agent.Tick{})
		}
	}
	return fmt.Errorf("it never ends: %s", w.machine.View().Waiting)
}

// idle reports whether nothing happens by itself in a pause.
func (w *world) idle() bool { return w.effects.running == nil }

// start boots the device from its disk.
func (w *world) start() {
	saved := w.saved
	if w.done == len(w.cuts) { // every cut has been made: what is on the disk now matters
		var err error
		if saved, err = reread(w.saved); err != nil {
			w.fail("%w", err)
			return
		}
	}
	w.machine = agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, &w.config, saved)
	w.effects, w.timer, w.healthy, w.connected = effects{}, time.Time{}, map[string]bool{}, false
	booted := agent.Booted{BootID: strconv.Itoa(w.boots)}
	for _, c := range w.config.Components {
		booted.Components = append(booted.Components,
			agent.Found{ID: c.ID, Version: w.flashes[c.ID].runs, Package: w.urlCache[c.ID]})
	}
	w.inbox = []agent.Input{booted}
	if !w.late {
		w.inbox = append(w.inbox, agent.Connected{})
	}
}

// reread brings a state through its form on disk and proves that nothing of it
// is lost.
func reread(s *agent.State) (*agent.State, error) {
	if s == nil {
		return nil, nil
	}
	form, err := agent.EncodeState(s)
	if err != nil {
		return nil, err
	}
	read, err := agent.DecodeState(form)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, form)
	}
	again, err := agent.EncodeState(read)
	if err != nil || !bytes.Equal(form, again) || !reflect.DeepEqual(s, read) {
		return nil, fmt.Errorf("a state changes on disk: %w\n%s\n%s", err, form, again)
	}
	return read, nil
}

func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// stop ends the agent, with the power or alone, and starts it again.
func (w *world) stop(power bool) {
	if power {
		w.boots++
	}
	for id, f := range w.flashes {
		f.restart(power, w.fault.strikes(id, "boot"))
	}
	w.now = w.now.Add(time.Minute)
	w.start()
}

func (w *world) handle(in agent.Input) {
	if _, is := in.(agent.Connected); is {
		w.connected = true
	}
	w.effects.hear(in)
	outputs := w.machine.Handle(w.now, in)
	if err := w.effects.take(outputs); err != nil {
		w.fail("after %T: %w", in, err)
	}
	for _, out := range outputs {
		w.outputs++
		if w.cutNow(false) {
			return
		}
		w.execute(out)
		if w.err != nil || w.cutNow(true) {
			return
		}
		if restart, is := out.(agent.Restart); is {
			w.stop(restart.Scope == firmware.RestartSystem)
			return
		}
	}
}

// cutNow makes the next cut if its moment has come.
func (w *world) cutNow(after bool) bool {
	if w.done == len(w.cuts) {
		return false
	}
	c := w.cuts[w.done]
	if c.output != w.outputs || c.after != after {
		return false
	}
	w.done++
	w.stop(!c.crash)
	return true
}

func (w *world) execute(out agent.Output) {
	switch out := out.(type) {
	case agent.Save:
		w.saved = out.State
	case agent.Send:
		answers, err := w.platform.receive(out.Message)
		if err != nil || !w.connected {
			w.fail("%T is sent, connected %t: %w", out.Message, w.connected, err)
		}
		for _, message := range answers {
			w.inbox = append(w.inbox, agent.Received{Message: message})
		}
	case agent.SetTimer:
		w.timer = out.At
	case agent.Note: // for the device's own log
	case agent.Measure:
		w.inbox = append([]agent.Input{agent.Measured{}}, w.inbox...)
	case agent.Cancel: // its result is in the inbox, where the machine ignores it
	case agent.Forget:
		delete(w.urlCache, out.Component)
	case agent.Restart:
		w.mustBeIn("", agent.StepRestart, agent.StepReturn)
	case agent.Fetch:
		w.fetch(out)
	default:
		w.install(out)
	}
}

// mustBeIn checks that the disk knows what is being done. Without a component,
// any will do.
func (w *world) mustBeIn(component string, steps ...agent.Step) {
	if w.saved != nil && w.saved.Run != nil {
		for i, c := range w.saved.Run.Plan.Components {
			for _, step := range steps {
				if (c.ID == component || component == "") && w.saved.Run.Parts[i].Step == step {
					return
				}
			}
		}
	}
	w.fail("component %q: the saved state knows nothing of what is done", component)
}

// judge looks at the end: what the platform has stored is final, and true.
func (w *world) judge() error {
	for _, c := range w.platform.plan.Components {
		status, f := w.platform.account().status[c.ID], w.flashes[c.ID]
		want := f.from
		if status.Done() {
			want = c.Target
		}
		switch {
		case !status.Done() && !status.Failed():
			return fmt.Errorf("component %s ends as %s", c.ID, status)
		case f.runs != want || f.next != "" || f.trial:
			return fmt.Errorf("component %s is %s and runs %s (next %q, trial %t)", c.ID, status, f.runs, f.next, f.trial)
		case status.Done() != w.upgrades(c.ID):
			return fmt.Errorf("component %s ends as %s", c.ID, status)
		}
	}
	return nil
}

// upgrades says whether a component must end upgraded.
func (w *world) upgrades(component string) bool {
	if !w.fault.always || w.fault.component == "" {
		return true
	}
	before := true
	for _, c := range w.platform.plan.Components {
		switch {
		case c.ID == component && component == w.fault.component:
			return false
		case c.ID == w.fault.component:
			before = false
		case c.ID == component:
			policy := w.platform.plan.OnFailure
			return policy == ota.Continue || policy == ota.Stop && before
		}
	}
	return false
}
