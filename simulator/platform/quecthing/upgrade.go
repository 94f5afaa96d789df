package quecthing

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/account"
	"otafleet/simulator/platform/engine"
)

// twice is how long after a failure the device may tell it again.
const twice = 6 * time.Second

// status takes what the device says of the upgrade of a component.
func (d *Device) status(t *platform.Talk, items codec.Items) {
	code, _ := items.Int(codec.StatusCode)
	said := codec.Status(max(0, min(code, 0xff)))
	ends := said == codec.Succeeded || said == codec.Failed
	if ends && items.Has(codec.ModuleVersion) {
		d.reports(items)
	}
	if is, shown := d.assigned(t); shown {
		d.progress(t, is, said, items)
	}
	if ends { // after the report: it must not be credited before
		is, _ := d.assigned(t)
		t.Hear(d.id, d.running(d.inventory(t), &is))
	}
}

// progress takes a status of an assignment. Whatever comes later than a lost one makes
// up for it.
func (d *Device) progress(t *platform.Talk, is engine.Assignment, said codec.Status, items codec.Items) {
	a := account.Account{Now: t.Now, Is: is}
	i := d.part(&is, said, items)
	switch {
	case i < 0:
	case said == codec.Received && !is.Accepted:
		a.Receive()
		d.note(t, said, "")
	case said == codec.Confirmed:
		d.note(t, said, "")
		d.accept(&a)
	case said == codec.Refused && !is.Accepted:
		a.Refuse(ota.ReasonDeclined, "")
	case said == codec.Refused && is.Parts[i].Status == ota.UpgradeConfirmed:
		a.End(ota.PlanTerminated, "the device has confirmed, and says "+said.String()) // so it was back at the plan
	case said >= codec.Ready && said.String() != "":
		d.work(t, i, said)
	}
	d.tell(t, &a)
}

// accept says that the device goes on with its plan, of which some components may need
// nothing.
func (d *Device) accept(a *account.Account) {
	a.Accept()
	for i := range a.Is.Parts {
		if p := &a.Is.Parts[i]; p.Status == ota.PlanReceived {
			a.Move(i, ota.NoUpdateRequired, p.Running, nil)
		}
	}
}

// part finds the component that a status is about; -1 if it is none of the plan. A
// failure before the first byte names the last component of the plan or none: it is
// of the one whose address went out.
func (d *Device) part(is *engine.Assignment, said codec.Status, items codec.Items) int {
	kind := ota.Module
	if n, _ := items.Int(codec.ComponentType); n != codec.ModuleType {
		kind = ota.MCU
	}
	named, at := -1, -1
	for i := range is.Parts {
		p := &is.Parts[i]
		if p.ID == items.Text(codec.Component) && p.Type == kind {
			named = i
		}
		if p.ID == d.current && worked(p.Status) {
			at = i
		}
	}
	failed := said == codec.DownloadFailed || said == codec.Failed
	if failed && at >= 0 && (named < 0 || !begun(is.Parts[named].Status)) {
		return at
	}
	return named
}

// begun reports whether the device has taken the address of a component.
func begun(s ota.Status) bool { return s.InProgress() && s != ota.UpgradeConfirmed }

// work takes a status of component i whose work has begun. If the device has the plan,
// it has accepted it, though that was lost: it keeps but its latest status while it has
// no connection.
func (d *Device) work(t *platform.Talk, i int, said codec.Status) {
	is, shown := d.assigned(t)
	if shown && !is.Accepted && is.Parts[i].Status == ota.PlanReceived {
		a := account.Account{Now: t.Now, Is: is}
		a.Accept()
		d.tell(t, &a)
		is, shown = d.assigned(t)
	}
	if !shown || !is.Accepted || is.Parts[i].Status.Done() {
		return // it strays
	}
	p := &is.Parts[i]
	ends := said == codec.DownloadFailed || said == codec.Failed || said == codec.Succeeded
	switch {
	case ends && d.runs(p, p.Target), said == codec.Succeeded && d.version(p) == "":
		d.succeed(t, is, i)
	case ends:
		d.fail(t, is, i, said)
	default:
		d.note(t, said, p.ID)
		d.current, d.open = p.ID, true
		a := account.Account{Now: t.Now, Is: is}
		a.Move(i, statusOf(said), p.Running, nil)
		d.tell(t, &a)
	}
}

// statusOf is the step of a component that the device calls so.
func statusOf(said codec.Status) ota.Status {
	switch said {
	case codec.Ready:
		return ota.ReadyToDownload
	case codec.Downloading:
		return ota.Downloading
	case codec.Downloaded:
		return ota.DownloadSucceeded
	}
	return ota.Upgrading
}

// note remembers when the device last said something new.
func (d *Device) note(t *platform.Talk, said codec.Status, component string) {
	if step := component + " " + said.String(); step != d.step {
		d.step, d.since = step, t.Now
	}
}

// succeed ends a component that runs its target.
func (d *Device) succeed(t *platform.Talk, is engine.Assignment, i int) {
	d.over(t)
	d.issued = time.Time{}
	a := account.Account{Now: t.Now, Is: is}
	a.Move(i, ota.UpgradeSucceeded, is.Parts[i].Target, nil)
	d.tell(t, &a)
}

// fail takes a failure of a component, unless it comes again, or belongs to an address
// that is no longer out.
func (d *Device) fail(t *platform.Talk, is engine.Assignment, i int, said codec.Status) {
	p := &is.Parts[i]
	if p.Status.Failed() && !d.open {
		return
	}
	to, code := ota.UpgradeFailed, ota.InstallerFailed
	detail := fmt.Sprintf("the device says %s", said)
	switch {
	case said == codec.DownloadFailed && p.Status == ota.DownloadSucceeded && p.Type == ota.Module:
		code = ota.DigestMismatch
	case said == codec.DownloadFailed:
		to, code = ota.DownloadFailed, ota.NetworkTimeout
	case said == codec.Succeeded || p.Status == ota.Upgrading:
		code = ota.VerifyFailed
		detail += " and runs " + d.version(p)
	}
	d.give(t, is, i, to, &ota.Failure{Code: code, Detail: ota.Clip(detail, ota.MaxDetail)})
}

// give up a component for now; the engine may try it again.
func (d *Device) give(t *platform.Talk, is engine.Assignment, i int, to ota.Status, failure *ota.Failure) {
	d.over(t)
	d.failed = t.Now
	version := d.version(&is.Parts[i])
	if !ota.ValidVersion(version) {
		version = is.Parts[i].Running
	}
	a := account.Account{Now: t.Now, Is: is}
	a.Move(i, to, version, failure)
	for k := range a.Is.Parts {
		if p := &a.Is.Parts[k]; k != i && is.OnFailure != ota.Continue && p.Status == ota.UpgradeConfirmed {
			a.Move(k, ota.UpgradeFailed, p.Running, &ota.Failure{Code: ota.Skipped}) // for now
		}
	}
	d.tell(t, &a)
}

// over says that the component at work is not at work any longer.
func (d *Device) over(t *platform.Talk) {
	d.open, d.settled, d.step, d.since = false, time.Time{}, "", t.Now
}
