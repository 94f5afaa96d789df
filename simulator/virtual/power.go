package virtual

import (
	"math"
	"time"

	"otafleet/firmware"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/verdict"
)

var _ fault.Control = (*device)(nil)

// never is later than any run.
const never = time.Duration(math.MaxInt64)

// CutPower stops the device without a goodbye, and starts it after a time
// (fault.Power).
func (d *device) CutPower(cause string, off time.Duration) {
	d.record(verdict.Event{Kind: verdict.PowerCut, Text: cause})
	d.boots++
	d.end(true, off)
}

// Crash stops the agent alone (fault.Power).
func (d *device) Crash(_ string, off time.Duration) { d.end(true, off) }

// Vanish stops the device for good (fault.Power).
func (d *device) Vanish(cause string) {
	d.record(verdict.Event{Kind: verdict.PowerCut, Text: cause})
	d.gone = true
	d.end(true, 0)
}

// CutLink drops every connection and lets none up for a time (fault.Network).
func (d *device) CutLink(down time.Duration) { d.link.cut(down) }

// ResetLink resets every connection (fault.Network).
func (d *device) ResetLink() { d.link.cut(0) }

// FreezeLink lets nothing pass for a time (fault.Network).
func (d *device) FreezeLink(still time.Duration) { d.link.freeze(still) }

// DelayLink lets everything take longer for a time (fault.Network).
func (d *device) DelayLink(by, lasting time.Duration) {
	d.link.late, d.link.lateUntil = max(d.link.late, by), max(d.link.lateUntil, d.world.now+lasting)
}

// ThrottleLink passes at most so many bytes a second for a time (fault.Network).
func (d *device) ThrottleLink(rate int64, lasting time.Duration) { d.link.throttle(rate, lasting) }

// LoseLink drops every connection for good (fault.Network).
func (d *device) LoseLink() {
	d.link.dead = never
	d.link.cut(0)
}

// TakeSession takes the device's session over, and leaves it again (fault.Platform).
func (d *device) TakeSession() { d.link.cutSession() }

// EndPlan ends the plan that the device has in hand (fault.Platform).
func (d *device) EndPlan() {
	if s := d.Memory.State; s != nil && s.Run != nil {
		d.world.platform.command(engine.Abandon{Plan: d.names.Of(s.Run.Plan.ID), Device: d.ID.Device})
	}
}

// restart restarts the agent or the device.
func (d *device) restart(scope firmware.Restart) {
	if scope == firmware.RestartSystem {
		d.boots++
	}
	d.end(false, model.RestartTime(scope))
}

// end takes the power away, and gives it back after a time. A device without
// power stays dark for longer.
func (d *device) end(abruptly bool, off time.Duration) {
	d.offUntil = max(d.offUntil, d.world.now+off)
	if !d.alive() {
		return
	}
	d.current.abandon()
	d.current = nil
	d.talk.end(abruptly)
	d.wake()
}

// wake gives the device its power back when it is no longer dark.
func (d *device) wake() {
	d.world.queue.add(d.offUntil, func() {
		switch {
		case d.alive() || d.gone:
		case d.world.now < d.offUntil:
			d.wake()
		default:
			d.powerOn()
		}
	})
}
