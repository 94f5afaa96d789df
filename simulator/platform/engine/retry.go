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
func (e *Engine) fail(t *task, i int, code ota.Code) {
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
		e.note(t, entry{kind: logExhausted, part: partOf(i)})
	default:
		p.retries++
		t.attempt++
		e.note(t, entry{kind: logRetrying, part: partOf(i), note: uint32(t.attempt)})
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

func (e *Engine) retryDevices(cmd RetryDevices) error {
	p, err := e.find("retry devices of", cmd.Plan, ToBeUpgraded, Upgrading)
	if err != nil {
		return err
	}
	if p.spec.Mode != ota.Silent {
		return fmt.Errorf("cannot retry devices of plan %q: it is manual, so the user of each device must ask", cmd.Plan)
	}
	var refused []error
	for _, key := range p.chosen(cmd.Devices) {
		if err := e.retryKey(p, key); err != nil {
			refused = append(refused, err)
		}
	}
	return errors.Join(refused...)
}

// chosen gives the devices that are named; without any, every failed one.
func (p *plan) chosen(keys []string) []string {
	if len(keys) > 0 {
		return keys
	}
	for _, t := range p.tasks {
		if t.status == ota.DeviceUpgradeFailed {
			keys = append(keys, t.device.key)
		}
	}
	return keys
}

func (e *Engine) retryKey(p *plan, key string) error {
	if d := p.product.byKey[key]; d != nil {
		return e.retry(p, d)
	}
	return &DeviceRefusal{key, "it is not known"}
}

// strayed reports whether a device that counts as upgraded runs another version of
// a component than its target, by what it said last.
func (t *task) strayed() bool {
	if t.status != ota.DeviceUpgraded {
		return false
	}
	for i := range t.parts {
		if t.strays(i) {
			return true
		}
	}
	return false
}

// strays reports whether component i is upgraded and runs another version.
func (t *task) strays(i int) bool {
	c := &t.plan.components[i]
	running := t.device.version(c.ID, c.Type)
	return t.shown(i) == ota.UpgradeSucceeded && running != "" && running != c.Target
}

// mayRetry says why a device may not be tried again; empty if it may.
func (p *plan) mayRetry(now time.Time, d *device) string {
	t := d.task(p)
	switch {
	case !p.openAt(now):
		return "the plan is not in effect"
	case t == nil || t.status != ota.DeviceUpgradeFailed && !t.strayed():
		return "it has not failed"
	case d.active != nil:
		return fmt.Sprintf("it is busy with plan %q", d.active.plan.spec.ID)
	case p.fit(d) != fits:
		return "the plan does not fit the versions that it runs"
	}
	return ""
}

// retry starts a failed device over with a new attempt: at once if it is
// online, else when it is back.
func (e *Engine) retry(p *plan, d *device) error {
	if reason := p.mayRetry(e.now, d); reason != "" {
		return &DeviceRefusal{d.key, reason}
	}
	t := d.task(p)
	t.attempt++
	t.confirmed, t.cancelled, t.abandoned, t.reverting, t.current, t.quietUntil = false, false, false, false, -1, 0
	for i := range t.parts {
		if t.strays(i) {
			t.parts[i] = part{earlier: t.parts[i].earlier} // its success is over
		}
		t.parts[i].retries, t.parts[i].exhausted = 0, false
	}
	e.note(t, entry{kind: logRetried, note: uint32(t.attempt)})
	e.settle(t)
	e.deliver(t)
	return nil
}

// deliver sends a plan at once to a device that can take it, else when it is
// heard of again.
func (e *Engine) deliver(t *task) {
	if !t.device.online || t.device.active != nil || !t.plan.openAt(e.now) {
		t.owed = owesPlan
		return
	}
	e.offer(t, logPushed)
}
