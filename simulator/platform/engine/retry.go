package engine

import (
	"errors"
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// fail decides what a failed component's failure means: another attempt while
// the plan leaves one, and an end otherwise. A component that failed only
// because another one did has its turn again when that one has succeeded. The
// platform cannot tell a lasting cause from a passing one, so it does not try.
func (e *Engine) fail(now time.Time, t *task, i int, code ota.Code) {
	p := &t.parts[i]
	p.full = p.full || code == ota.DeltaFailed || code == ota.VersionMismatch
	switch {
	case code == ota.Skipped || code == ota.Reverted:
		return
	case !t.confirmed || code == ota.PlanTerminated || code == ota.PlanExpired:
		p.exhausted = true
		return
	case int(p.retries) >= t.plan.spec.Retries:
		p.exhausted = true
		e.note(now, t, entry{kind: logExhausted, part: partOf(i)})
	default:
		p.retries++
		t.attempt++
		e.note(now, t, entry{kind: logRetrying, part: partOf(i), note: uint32(t.attempt)})
	}
	// The device takes its upgraded components back by itself, and says so.
	t.reverting = t.plan.spec.OnFailure == ota.Revert
}

// anyUpgraded reports whether a component is reported upgraded.
func (t *task) anyUpgraded() bool {
	for i := range t.parts {
		if t.parts[i].status == ota.UpgradeSucceeded {
			return true
		}
	}
	return false
}

func (e *Engine) retryDevices(now time.Time, cmd RetryDevices) error {
	p, err := e.find("retry devices of", cmd.Plan, ToBeUpgraded, Upgrading)
	if err != nil {
		return err
	}
	if p.spec.Mode != ota.Silent {
		return fmt.Errorf("cannot retry devices of plan %q: it is manual, so the user of each device must ask", cmd.Plan)
	}
	if len(cmd.Devices) == 0 {
		for _, t := range p.tasks {
			if t.status == ota.DeviceUpgradeFailed {
				err = errors.Join(err, e.retry(now, p, t.device))
			}
		}
		return err
	}
	for _, key := range cmd.Devices {
		d := p.product.byKey[key]
		if d == nil {
			err = errors.Join(err, fmt.Errorf("cannot retry device %q: it is not known", key))
			continue
		}
		err = errors.Join(err, e.retry(now, p, d))
	}
	return err
}

// retry starts a failed device over with a new attempt: at once if it is
// online, else when it is back.
func (e *Engine) retry(now time.Time, p *plan, d *device) error {
	t := d.task(p)
	switch {
	case !p.openAt(now):
		return fmt.Errorf("cannot retry device %q: the plan is not in effect", d.key)
	case t == nil || t.status != ota.DeviceUpgradeFailed:
		return fmt.Errorf("cannot retry device %q: it has not failed", d.key)
	case d.active != nil:
		return fmt.Errorf("cannot retry device %q: it is busy with plan %q", d.key, d.active.plan.spec.ID)
	case p.fit(d) != fits:
		return fmt.Errorf("cannot retry device %q: the plan does not fit the versions that it runs", d.key)
	}
	t.attempt++
	t.confirmed, t.cancelled, t.reverting, t.current, t.quietUntil = false, false, false, -1, 0
	for i := range t.parts {
		t.parts[i].retries, t.parts[i].exhausted = 0, false
	}
	e.note(now, t, entry{kind: logRetried, note: uint32(t.attempt)})
	e.settle(now, t)
	e.deliver(now, t)
	return nil
}

// deliver sends a plan at once to a device that can take it, else when it is
// heard of again.
func (e *Engine) deliver(now time.Time, t *task) {
	if !t.device.online || t.device.active != nil || !t.plan.openAt(now) {
		t.owed = owesPlan
		return
	}
	e.offer(now, t, logPushed)
}
