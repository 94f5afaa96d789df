package quecthing

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// Patience is how long a device may stay where it is. The zero value is complete.
type Patience struct {
	// Answer is how long it may have a plan without an answer: its user may be asked.
	// Then it counts as busy. 0 means a day.
	Answer time.Duration
	// Begin is how long it may leave an address unanswered, or not have asked for the
	// first byte. 0 means two minutes: a device gives up after half a minute.
	Begin time.Duration
	// Step is how long it may download, keep a block unread, or upgrade, without another
	// status. 0 means an hour: a device gives up after 20 minutes.
	Step time.Duration
	// Settle is how long after a version report with the target the platform waits for
	// the status that belongs to it. 0 means ten minutes: the new version may be on trial.
	Settle time.Duration
	// Hold is how long after an address the next one may be sent that is due to a
	// failure. 0 means eleven seconds: the device may tell a failure of a download that
	// never began twice, after five seconds and after ten.
	Hold time.Duration
}

func (p Patience) withDefaults() Patience {
	or := func(d *time.Duration, standard time.Duration) {
		if *d == 0 {
			*d = standard
		}
	}
	or(&p.Answer, 24*time.Hour)
	or(&p.Begin, 2*time.Minute)
	or(&p.Step, time.Hour)
	or(&p.Settle, 10*time.Minute)
	or(&p.Hold, 11*time.Second)
	return p
}

// hold is when the next address may be sent.
func (p *Patience) hold(issued, failed time.Time) (due time.Time) {
	if !issued.IsZero() {
		due = issued.Add(p.Hold)
	}
	if after := failed.Add(min(twice, p.Hold)); !failed.IsZero() && after.After(due) {
		due = after
	}
	return due
}

// limit is how long a component of a device that has accepted may stay in a status; 0
// for ever.
func (p *Patience) limit(s ota.Status) time.Duration {
	switch s {
	case ota.UpgradeConfirmed, ota.ReadyToDownload:
		return p.Begin
	case ota.Downloading, ota.DownloadSucceeded, ota.Upgrading:
		return p.Step
	}
	return 0
}

// Next is when the device wants a Tick; zero for never.
func (d *Device) Next() (due time.Time) {
	due = d.deadline
	sooner := func(at time.Time) {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	sooner(d.settled)
	if d.waiting != nil {
		sooner(d.patience.hold(d.issued, d.failed))
	}
	return due
}

// Tick does what is due. It is also for a platform with new packages.
func (d *Device) Tick(t *platform.Talk) []codec.Frame {
	d.rename(t)
	if !d.settled.IsZero() && !t.Now.Before(d.settled) {
		d.settled = time.Time{}
		d.believe(t)
	}
	if is, shown := d.assigned(t); shown {
		if i, at := d.overdue(&is); i >= 0 && !t.Now.Before(at) {
			d.giveUp(t, is, i)
		}
	}
	return d.release(t)
}

// overdue finds what the device is at, and until when it may be; -1 for nothing.
func (d *Device) overdue(is *engine.Assignment) (i int, at time.Time) {
	for i := range is.Parts {
		p := &is.Parts[i]
		limit := d.patience.limit(p.Status)
		switch {
		case !d.online:
		case !is.Accepted && p.Status == ota.PlanReceived:
			return i, d.since.Add(d.patience.Answer)
		case is.Accepted && p.ID == d.current && limit > 0:
			return i, d.since.Add(limit)
		}
	}
	return -1, time.Time{}
}

// giveUp ends what has lasted too long.
func (d *Device) giveUp(t *platform.Talk, is engine.Assignment, i int) {
	if !is.Accepted {
		d.since = t.Now
		d.refuse(t, is, ota.ReasonBusy, fmt.Sprintf("the device has not answered for %s", d.patience.Answer))
		return
	}
	status := is.Parts[i].Status
	d.give(t, is, i, failureOf(status), &ota.Failure{
		Code: ota.ComponentSilent, Detail: fmt.Sprintf("the device stays in %s for %s", status, d.patience.limit(status)),
	})
}

// failureOf is the failed end of a component in a status.
func failureOf(s ota.Status) ota.Status {
	if s == ota.ReadyToDownload || s == ota.Downloading {
		return ota.DownloadFailed
	}
	return ota.UpgradeFailed
}
