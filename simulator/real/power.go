package real

import (
	"time"

	"otafleet/agent/link"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/verdict"
)

// CutPower ends the device's life without a goodbye and starts another one
// after a time (fault.Power).
func (d *device) CutPower(cause string, off time.Duration) {
	d.record(verdict.Event{Kind: verdict.PowerCut, Text: cause})
	d.endLife(link.ErrAbrupt, off, true)
	d.dropLink()
}

// Crash ends the agent's process and starts another one after a time
// (fault.Power).
func (d *device) Crash(_ string, off time.Duration) {
	d.endLife(link.ErrAbrupt, off, false)
	d.dropLink()
}

// dropLink drops the connections of a device that has a link of its own.
func (d *device) dropLink() {
	if d.voice == nil {
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

// endLife takes the power away, and gives it back after a time. A device without
// power stays dark for longer. A restart of the whole system has another boot
// id.
func (d *device) endLife(cause error, off time.Duration, system bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until := time.Now().Add(off); until.After(d.dark) {
		d.dark = until
	}
	if system {
		d.boots++
	}
	l := d.life
	if l == nil {
		return
	}
	d.life = nil
	l.stop(cause)
	d.world.tasks.Go(func() {
		if d.voice != nil {
			d.voice.leave(l)
		}
		l.tasks.Wait()
		for left := d.darkness(); left > 0 && d.world.ctx.Err() == nil; left = d.darkness() {
			netem.Sleep(d.world.ctx, left)
		}
		d.boot()
	})
}

// darkness is how long the device is still without power.
func (d *device) darkness() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Until(d.dark)
}

// takeLife takes the power away for good; nil if there is none.
func (d *device) takeLife() *life {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.life
	d.life = nil
	return l
}

// CutLine drops every connection (fault.Line).
func (d *device) CutLine(down time.Duration) { d.link.Cut(down) }

// ResetLine resets every connection (fault.Line).
func (d *device) ResetLine() { d.link.Reset() }

// FreezeLine lets nothing pass for a time (fault.Line).
func (d *device) FreezeLine(still time.Duration) { d.link.Freeze(still) }

// DelayLine lets everything take longer for a time (fault.Line).
func (d *device) DelayLine(by, lasting time.Duration) {
	d.link.Delay(by, lasting)
}

// ThrottleLine lets little pass for a time (fault.Line).
func (d *device) ThrottleLine(rate int64, lasting time.Duration) {
	d.link.Throttle(rate, lasting)
}

// LoseLine lets no connection up ever again (fault.Line).
func (d *device) LoseLine() { d.link.Lose() }
