package virtual

import (
	"math"
	"time"

	"otafleet/firmware"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
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

// CutLine drops every connection and lets none up for a time (fault.Line).
func (d *device) CutLine(down time.Duration) { d.line.cut(down) }

// ResetLine resets every connection (fault.Line).
func (d *device) ResetLine() { d.line.cut(0) }

// FreezeLine lets nothing pass for a time (fault.Line).
func (d *device) FreezeLine(still time.Duration) { d.line.freeze(still) }

// DelayLine lets everything take longer for a time (fault.Line).
func (d *device) DelayLine(by, lasting time.Duration) {
	d.line.late, d.line.lateUntil = max(d.line.late, by), max(d.line.lateUntil, d.world.now+lasting)
}

// ThrottleLine passes at most so many bytes a second for a time (fault.Line).
func (d *device) ThrottleLine(rate int64, lasting time.Duration) { d.line.throttle(rate, lasting) }

// LoseLine drops every connection for good (fault.Line).
func (d *device) LoseLine() {
	d.line.dead = never
	d.line.cut(0)
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
	d.dark = max(d.dark, d.world.now+off)
	if !d.alive() {
		return
	}
	d.life.abandon()
	d.life = nil
	if d.line.owner() == d {
		d.line.hangUp(abruptly)
	} else {
		d.session.close(abruptly)
	}
	d.wake()
}

// wake gives the device its power back when it is no longer dark.
func (d *device) wake() {
	d.world.queue.add(d.dark, func() {
		switch {
		case d.alive() || d.gone:
		case d.world.now < d.dark:
			d.wake()
		default:
			d.boot()
		}
	})
}
