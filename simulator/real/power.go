package real

import (
	"time"

	"otafleet/agent/link"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/verdict"
)

// CutPower ends the current boot without a goodbye and starts another one
// after a time (fault.Power).
func (d *device) CutPower(cause string, off time.Duration) {
	d.record(verdict.Event{Kind: verdict.PowerCut, Text: cause})
	d.powerOff(link.ErrAbrupt, off, true)
	d.dropLink()
}

// Crash ends the agent's process and starts another one after a time
// (fault.Power).
func (d *device) Crash(_ string, off time.Duration) {
	d.powerOff(link.ErrAbrupt, off, false)
	d.dropLink()
}

// dropLink drops the connections of a device that has a link of its own.
func (d *device) dropLink() {
	if d.member == nil {
		d.link.Cut(0)
	}
}

// Vanish takes the power for good (fault.Power).
func (d *device) Vanish(cause string) {
	d.mu.Lock()
	d.gone = true
	d.mu.Unlock()
	d.CutPower(cause, 0)
}

// isGone reports whether the device has lost its power for good.
func (d *device) isGone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone
}

// powerOff takes the power away, and gives it back after a time. A device without
// power stays dark for longer. A restart of the whole system has another boot
// id.
func (d *device) powerOff(cause error, off time.Duration, system bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until := time.Now().Add(off); until.After(d.offUntil) {
		d.offUntil = until
	}
	if system {
		d.boots++
	}
	l := d.current
	if l == nil {
		return
	}
	d.current = nil
	l.stop(cause)
	d.world.tasks.Go(func() {
		if d.member != nil {
			d.member.leave(l)
		}
		l.tasks.Wait()
		for left := d.offFor(); left > 0 && d.world.ctx.Err() == nil; left = d.offFor() {
			netem.Sleep(d.world.ctx, left)
		}
		d.powerOn()
	})
}

// offFor is how long the device is still without power.
func (d *device) offFor() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Until(d.offUntil)
}

// takePower takes the power away for good; nil if there is none.
func (d *device) takePower() *boot {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.current
	d.current = nil
	return l
}

// CutLink drops every connection (fault.Network).
func (d *device) CutLink(down time.Duration) { d.link.Cut(down) }

// ResetLink resets every connection (fault.Network).
func (d *device) ResetLink() { d.link.Reset() }

// FreezeLink lets nothing pass for a time (fault.Network).
func (d *device) FreezeLink(still time.Duration) { d.link.Freeze(still) }

// DelayLink lets everything take longer for a time (fault.Network).
func (d *device) DelayLink(by, lasting time.Duration) {
	d.link.Delay(by, lasting)
}

// ThrottleLink lets little pass for a time (fault.Network).
func (d *device) ThrottleLink(rate int64, lasting time.Duration) {
	d.link.Throttle(rate, lasting)
}

// TakeSession takes the device's session over, and leaves it again (fault.Platform).
func (d *device) TakeSession() { d.world.attempt(d.world.platform.TakeSession(d.ID)) }

// EndPlan ends the plan that the device has in hand (fault.Platform).
func (d *device) EndPlan() {
	if plan := d.inHand(); plan != "" {
		d.world.command(engine.Abandon{Plan: d.names.of(plan), Device: d.ID.Device})
	}
}

// inHand is the plan that the device has in hand; empty for none.
func (d *device) inHand() (plan string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.Memory.State; s != nil && s.Run != nil {
		plan = s.Run.Plan.ID
	}
	return plan
}

// LoseLink lets no connection up ever again (fault.Network).
func (d *device) LoseLink() { d.link.Lose() }
