package engine

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// appointment is the window that a user has chosen for a manual plan.
type appointment struct{ start, end time.Time }

func (e *Engine) userAnswer(cmd UserAnswer) error {
	p, err := e.find("answer", cmd.Plan, ToBeUpgraded, Upgrading)
	if err != nil {
		return err
	}
	d := e.known(cmd.Device)
	if err := p.mayAnswer(d); err != nil {
		return fmt.Errorf("cannot %s plan %q for device %q: %w", cmd.Operation, cmd.Plan, cmd.Device.Device, err)
	}
	if cmd.Operation == UserRetry {
		return e.userRetry(p, d)
	}
	if t := d.task(p); t.refusal() != "" {
		return fmt.Errorf("cannot %s plan %q for device %q: it is past that, the device is %s",
			cmd.Operation, cmd.Plan, d.key, t.status.Name())
	}
	switch cmd.Operation {
	case UserConfirm:
		e.userConfirm(e.taskFor(p, d))
	case UserAppoint:
		return e.userAppoint(p, d, cmd)
	case UserCancel:
		e.userCancel(e.taskFor(p, d))
	default:
		return fmt.Errorf("cannot answer plan %q: %q is not confirm, appoint, cancel or retry", cmd.Plan, cmd.Operation)
	}
	return nil
}

// mayAnswer says why a plan is not for the user of a device to answer.
func (p *plan) mayAnswer(d *device) error {
	switch {
	case p.spec.Mode != ota.Manual:
		return fmt.Errorf("the plan is silent")
	case d == nil || d.product != p.product:
		return fmt.Errorf("device %w in product %s", ErrUnknown, p.spec.Product)
	case !p.admits(d):
		return fmt.Errorf("the plan's lists leave the device out")
	case p.fit(d) != fits:
		return fmt.Errorf("the plan does not fit the versions that the device runs")
	}
	return nil
}

func (e *Engine) userConfirm(t *task) {
	t.agreed, t.appointment, t.quietUntil = true, nil, 0
	e.note(t, entry{kind: logUser, note: e.words.number(string(UserConfirm))})
	e.deliver(t)
}

func (e *Engine) userAppoint(p *plan, d *device, cmd UserAnswer) error {
	if cmd.End.Sub(cmd.Start) < ShortestAppointment || !cmd.End.After(e.now) || cmd.Start.Before(p.spec.Start) ||
		cmd.End.After(p.spec.End) {
		return fmt.Errorf(
			"cannot appoint plan %q for device %q: the window must lie ahead, at least %s long and within the plan's period",
			cmd.Plan, d.key, ShortestAppointment,
		)
	}
	t := e.taskFor(p, d)
	t.agreed, t.appointment = false, &appointment{cmd.Start, cmd.End}
	e.note(t, entry{kind: logUser, note: e.words.number(string(UserAppoint))})
	if d.online && d.active == nil && p.openAt(e.now) && p.agreement(e.now, d, t) == "" {
		e.offer(t, logPushed)
	}
	return nil
}

// userCancel fails the plan for this device. One that has it and has not
// confirmed gets a message.
func (e *Engine) userCancel(t *task) {
	e.note(t, entry{kind: logUser, note: e.words.number(string(UserCancel))})
	e.withdraw(t)
	t.agreed, t.appointment, t.cancelled = false, nil, true
	e.settle(t)
}

func (e *Engine) userRetry(p *plan, d *device) error {
	if err := e.retry(p, d); err != nil {
		return err
	}
	t := d.task(p)
	t.agreed, t.appointment = true, nil
	return nil
}

func (e *Engine) autoConfirm(cmd AutoConfirm) error {
	d := e.known(cmd.Device)
	if d == nil {
		return fmt.Errorf("cannot switch automatic confirmation of device %q: device %w in product %s", cmd.Device.Device,
			ErrUnknown, cmd.Device.Product)
	}
	d.autoConfirm = cmd.On
	e.keepDevice(d)
	return nil
}
