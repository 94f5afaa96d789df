package virtual

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
)

// boot is a device between two power cuts: the agent's machine, and the effect
// that it has under way.
type boot struct {
	device  *device
	machine Brain
	alarm   uint64 // number of the event that the timer waits for; 0 if it is not set
	effect  effect
	fetch   *fetch // the effect, if it is a download

	inbox   []agent.Input // what has happened
	taken   int           // of the inbox, that was handled
	busy    bool          // outputs are being executed
	stuck   bool          // a save waits for the disk
	handled func()        // is called once what has come before is handled; nil for none
	failing bool          // the output being executed cannot write
}

// effect is the one thing that the machine has asked for, with what will come of it.
type effect struct {
	end       uint64 // number of the event that ends it; 0 if none is under way
	activates *flash // nil for none
	result    agent.Input
}

// happen lets the time of the timer come, or ends the effect. What is not waited for
// any more has another number.
func (l *boot) happen(number uint64) {
	switch d, e := l.device, &l.effect; {
	case d.current != l:
	case number == l.alarm:
		d.handle(agent.Tick{})
	case number == e.end:
		e.end = 0
		if e.activates != nil {
			e.activates.Activate()
		}
		d.handle(e.result)
	}
}

// powerOn boots the device.
func (d *device) powerOn() {
	d.own.Renew(d.ID, d.Config, d.Memory.State).Reclaim(d.older)
	l := &boot{device: d, machine: d.world.think(d.own)}
	d.current = l
	d.hooks = d.Hooks(d.talk, d.deliver, d)
	d.found = d.found[:0]
	for i, c := range d.Fleet.Components {
		d.flashes[i].healthy = false
		version, _ := d.inspect(c.ID)
		d.found = append(d.found, agent.Found{ID: c.ID, Version: version, Package: d.Memory.KeptPackage(c.ID)})
	}
	d.handle(agent.Booted{BootID: "boot-" + strconv.Itoa(d.boots), Components: d.found,
		Readings: d.hooks.Sensors.Read(context.Background())})
	if d.current == l {
		d.talk.begin()
	}
}

// deliver passes what the link brings to the machine.
func (d *device) deliver(in agent.Input) {
	if !d.alive() {
		return
	}
	if received, is := in.(agent.Received); is {
		d.answer()
		d.talk.received(received.Message)
		if e, tells := d.Heard(received.Message); tells {
			d.record(e)
		}
	}
	d.handle(in)
}

// handle lets the machine decide, and does what it says. What happens meanwhile
// waits: while outputs are executed, and while a save waits for the disk.
func (d *device) handle(in agent.Input) {
	l := d.current
	if l == nil {
		return
	}
	l.inbox = append(l.inbox, in)
	if !l.busy && !l.stuck {
		d.drain(l)
	}
}

// drain handles inputs until none is left.
func (d *device) drain(l *boot) {
	l.busy = true
	for d.current == l && !l.stuck && !l.idle() {
		in := l.inbox[l.taken]
		l.taken++
		if l.idle() {
			l.inbox, l.taken = l.inbox[:0], 0
		}
		d.carryOut(l, l.machine.Handle(d.clock(), in))
	}
	l.busy = false
	d.tellHandled(l)
}

// idle reports whether everything that has happened is handled, or being handled.
func (l *boot) idle() bool { return l.taken == len(l.inbox) }

// tellHandled says that everything that has come is handled, if that is so.
func (d *device) tellHandled(l *boot) {
	if do := l.handled; do != nil && d.current == l && !l.stuck && !l.busy && l.idle() {
		l.handled = nil
		do()
	}
}

// carryOut executes outputs in order, until the device loses its power.
func (d *device) carryOut(l *boot, outputs []agent.Output) {
	for i, out := range outputs {
		trouble := d.world.look(d, out)
		d.outputs++
		if _, save := out.(agent.Save); save && trouble == FailWrite {
			d.waitForDisk(l, outputs[i:])
			return
		}
		if !trouble.before(d) {
			return
		}
		l.failing = trouble == FailWrite
		d.execute(l, out)
		l.failing = false
		if d.current == l {
			trouble.after(d)
		}
		if d.current != l {
			return
		}
	}
}

// waitForDisk tries a save again after a time, as the agent's Runner does:
// nothing that comes behind it may happen before.
func (d *device) waitForDisk(l *boot, outputs []agent.Output) {
	l.stuck = true
	d.world.after(agent.SaveRetry, func() {
		if d.current == l {
			l.stuck, l.busy = false, true
			d.carryOut(l, outputs)
			d.drain(l)
		}
	})
}

func (d *device) execute(l *boot, out agent.Output) {
	switch out := out.(type) {
	case agent.Save:
		d.save(out.State)
	case agent.Send:
		d.watchSend(out.Message)
		d.hooks.Link.Send(out.Message)
	case agent.SetTimer:
		l.alarm = 0
		if !out.At.IsZero() {
			l.alarm = d.world.queue.put(max(d.world.now, out.At.Sub(d.clock())+d.world.now), l)
		}
	case agent.Ask:
	case agent.Measure:
		measured := agent.Measured{Readings: d.hooks.Sensors.Read(context.Background())}
		l.inbox = slices.Insert(l.inbox, l.taken, agent.Input(measured))
	case agent.Broken:
		d.violation("%s", out.Err)
	case agent.Cancel:
		l.abandon()
		l.effect = effect{}
	case agent.Forget:
		d.Memory.ForgetPackage(out.Component)
	case agent.Restart:
		d.restart(out.Scope)
	case agent.Fetch:
		d.startFetch(l, out)
	default:
		d.perform(l, out)
	}
}

// perform does what takes no time, or the time of an installation, and hands
// the result to the machine.
func (d *device) perform(l *boot, out agent.Output) {
	switch out := out.(type) {
	case agent.Stage:
		failure := d.operate(out.Job.Component, fault.Stage, func(f *flash) error { return f.stage(&out.Job) })
		d.finish(l, agent.Staged{Op: out.Op, Failure: failure})
	case agent.Activate:
		d.watchActivate(out.Job.Component)
		d.activate(l, out)
	case agent.CheckHealth:
		d.finish(l, d.checkHealth(out))
	case agent.Confirm:
		failure := d.operate(out.Job.Component, fault.Confirm, func(f *flash) error {
			d.watchConfirm(out.Job.Component)
			return f.Commit(&out.Job)
		})
		d.finish(l, agent.Confirmed{Op: out.Op, Failure: failure})
	case agent.Revert:
		restart := firmware.RestartNone
		failure := d.operate(out.Job.Component, fault.Revert, func(f *flash) error {
			restart = f.Revert(&out.Job)
			return nil
		})
		version, _ := d.inspect(out.Job.Component)
		d.finish(l, agent.RevertDone{Op: out.Op, Restart: restart, Version: version, Failure: failure})
	default:
		panic(fmt.Sprintf("internal error: unknown output %T", out))
	}
}

// operate calls a component's installer.
func (d *device) operate(component string, op fault.Operation, call func(*flash) error) *ota.Failure {
	i := d.Memory.Component(component)
	if i < 0 {
		return &ota.Failure{Code: ota.InstallerFailed, Detail: "component " + component + " has no installer"}
	}
	err := d.hooks.Operate(component, op)
	if err == nil && d.current.failing {
		err = firmware.Failf(ota.WriteFailed, "the disk does not take it")
	}
	if err == nil {
		err = call(&d.flashes[i])
	}
	return agent.AsFailure(err, ota.InstallerFailed)
}

// inspect asks a component what it runs; empty if it does not answer.
func (d *device) inspect(component string) (version string, failure *ota.Failure) {
	failure = d.operate(component, fault.Inspect, func(f *flash) error {
		version = d.hooks.Version(component, f.Running)
		return nil
	})
	return version, failure
}

// activate takes the time of an installation; a cut in it leaves the old version
// running.
func (d *device) activate(l *boot, out agent.Activate) {
	restart := firmware.RestartNone
	var already bool
	failure := d.operate(out.Job.Component, fault.Activate, func(f *flash) (err error) {
		restart = f.Restart
		already, err = f.Ready(&out.Job)
		return err
	})
	if failure != nil || already {
		d.finish(l, agent.Activated{Op: out.Op, Restart: restart, Failure: failure})
		return
	}
	f := &d.flashes[d.Memory.Component(out.Job.Component)]
	l.effect = effect{d.world.queue.put(d.world.now+f.install, l), f, agent.Activated{Op: out.Op, Restart: restart}}
}

// checkHealth asks the component for its version, then the device for its
// health.
func (d *device) checkHealth(out agent.CheckHealth) agent.Input {
	version, failure := d.inspect(out.Job.Component)
	if failure == nil && version == out.Job.Target {
		failure = agent.AsFailure(d.hooks.Health.Check(context.Background()), ota.HealthCheckFailed)
	}
	if failure == nil && version == out.Job.Target {
		d.flashes[d.Memory.Component(out.Job.Component)].healthy = true
	}
	return agent.HealthChecked{Op: out.Op, Version: version, Failure: failure}
}

// finish hands over the result of an effect that takes no time, when what is
// under way has been done.
func (d *device) finish(l *boot, result agent.Input) {
	l.effect = effect{end: d.world.queue.put(d.world.now, l), result: result}
}
