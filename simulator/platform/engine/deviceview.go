package engine

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// ComponentView is one component of a device under a plan.
type ComponentView struct {
	ID       string
	Type     ota.ComponentType
	Source   string // of a delta; empty for a full package
	Target   string
	Running  string // version that the device last reported; empty if it has not
	Status   ota.Status
	Stage    ota.Stage
	Progress int // percent
	Times    int // how often its upgrade was tried
	// Failure is why the component has failed, FailedIn the attempt that ended in it;
	// nil and 0 unless it has.
	Failure  *ota.Failure
	FailedIn int
	// Earlier is its last failure that was tried again, EarlierIn the attempt that
	// ended in it; nil and 0 without one.
	Earlier   *ota.Failure
	EarlierIn int
	// Reached is the last step that the device reported before Status.
	Reached ota.Status
}

// LogLine is one line of a device's log under a plan.
type LogLine struct {
	At        time.Time // to the second
	Component string    // empty for the device as a whole
	Text      string
}

// DeviceView is one device under one plan.
type DeviceView struct {
	DeviceRow
	Components []ComponentView
	Log        []LogLine // oldest first, the last 128
	// Waiting says that the plan goes out when the device is heard of again.
	Waiting bool
	// QuietUntil is when the plan may be pushed again after a refusal; zero
	// without one.
	QuietUntil  time.Time
	AutoConfirm bool // manual plans reach it without asking its user
	User        UserState
}

// UserState is what a device's user has said to a manual plan.
type UserState struct {
	Confirmed, Cancelled bool
	Start, End           time.Time // of an appointment; zero without one
}

// Device gives a device's details under a plan; false if the plan does not
// count that device.
func (e *Engine) Device(planID, key string) (DeviceView, bool) {
	p := e.plans[planID]
	if p == nil {
		return DeviceView{}, false
	}
	d := p.product.byKey[key]
	if d == nil || !p.covers(d) && d.task(p) == nil {
		return DeviceView{}, false
	}
	t := d.task(p)
	view := DeviceView{DeviceRow: p.row(d, t), AutoConfirm: d.autoConfirm}
	if t == nil {
		t = &task{device: d, plan: p, parts: make([]part, len(p.components))}
	}
	for i := range t.parts {
		view.Components = append(view.Components, t.component(i))
	}
	view.Waiting, view.QuietUntil = t.owed == owesPlan, t.quietUntil.time()
	view.User = UserState{Confirmed: t.agreed, Cancelled: t.cancelled}
	if a := t.appointment; a != nil {
		view.User.Start, view.User.End = a.start, a.end
	}
	for _, line := range e.logOf(p, t) {
		l := LogLine{At: line.at.time(), Text: e.text(line)}
		if line.part > 0 {
			l.Component = p.components[line.part-1].ID
		}
		view.Log = append(view.Log, l)
	}
	return view, true
}

// logOf is a task's log; of a device that a closed plan never reached, one line
// that says so.
func (e *Engine) logOf(p *plan, t *task) []entry {
	if len(t.log) == 0 && p.closed != 0 && p.statusOf(t.device.task(p)) == ota.DeviceUpgradeFailed {
		return []entry{{at: p.closed, kind: logNeverHad, note: e.words.number(p.end())}}
	}
	return t.log
}

func (t *task) component(i int) ComponentView {
	p, c := &t.parts[i], &t.plan.components[i]
	status := t.shown(i)
	v := ComponentView{
		ID: c.ID, Type: c.Type, Target: c.Target, Running: t.device.version(c.ID, c.Type), Status: status,
		Stage:    status.Row().Stage,
		Progress: int(p.percent), Times: int(p.times), Reached: p.reached,
	}
	earlier := p.earlier
	switch {
	case p.failure != nil && status.Failed():
		v.Failure, v.FailedIn = p.failure.failure, p.failure.attempt
	case p.failure != nil: // the version that it reports says more
		earlier = p.failure
	case status.Failed():
		v.Failure = t.loss()
	}
	if earlier != nil {
		v.Earlier, v.EarlierIn = earlier.failure, earlier.attempt
	}
	if c.Package == ota.Delta {
		v.Source = c.Sources[0]
	}
	if status.Done() {
		v.Progress = 100
	}
	return v
}

// loss is why a device that can never upgrade has failed, where it has not said so
// itself.
func (t *task) loss() *ota.Failure {
	switch {
	case t.abandoned:
		return &ota.Failure{Code: ota.PlanTerminated, Detail: "the operator ended the plan for this device"}
	case t.cancelled:
		return &ota.Failure{Code: ota.PlanTerminated, Detail: "the device's user cancelled"}
	case t.plan.status == Finished:
		return &ota.Failure{Code: ota.PlanExpired, Detail: "the plan has ended before the device had it"}
	}
	return &ota.Failure{Code: ota.PlanTerminated, Detail: "the plan was terminated before the device had it"}
}

// MayRetry says why a device of a plan may not be tried again at a time; nil if
// it may, by RetryDevices for a silent plan, by its user for a manual one.
func (e *Engine) MayRetry(now time.Time, planID, key string) error {
	p := e.plans[planID]
	if p == nil || p.product.byKey[key] == nil {
		return fmt.Errorf("cannot retry device %q: device %w in plan %q", key, ErrUnknown, planID)
	}
	reason := p.mayRetry(now, p.product.byKey[key])
	if !p.status.inEffect() {
		reason = "the plan is " + string(p.status)
	}
	if reason != "" {
		return &DeviceRefusal{key, reason}
	}
	return nil
}

// Versions is what a device last reported of its components; false if the
// platform has not heard of the device.
func (e *Engine) Versions(id ota.Identity) ([]ota.ComponentVersion, bool) {
	d := e.known(id)
	if d == nil {
		return nil, false
	}
	return d.versions(), true
}
