package engine

import (
	"fmt"
	"slices"
	"time"

	"otafleet/internal/ota"
)

// VerificationTime is how long a device may take to verify a package; after it
// the verification has failed.
const VerificationTime = 60 * time.Minute

// VerificationOutcome says how a verification stands.
type VerificationOutcome string

// The outcomes.
const (
	Verifying        VerificationOutcome = "Verifying"
	VerifyingPassed  VerificationOutcome = "Succeeded"
	VerifyingFailed  VerificationOutcome = "Failed"
	VerifyingTimeout VerificationOutcome = "Timed Out" // it counts as failed
)

// verification tries a package on one device: by a plan of its own, which no list
// of plans shows.
type verification struct {
	device  *device
	plan    *plan
	created time.Time
	outcome VerificationOutcome
}

func (v *verification) running() bool { return v != nil && v.outcome == Verifying }

// VerificationView is what is known of a verification.
type VerificationView struct {
	Device  string
	Plan    string // of Device, with the component's details
	Created time.Time
	// Started is the device's confirmation, Ended its end; zero before them.
	Started, Ended time.Time
	Outcome        VerificationOutcome
	Progress       int // percent
	Retries        int // that failures may have
}

func (v *verification) view() VerificationView {
	view := VerificationView{
		Device: v.device.key, Plan: v.plan.spec.ID, Created: v.created, Outcome: v.outcome, Retries: ota.MaxRetries,
	}
	if t := v.device.task(v.plan); t != nil {
		view.Started, view.Ended = t.started.time(), t.finished.time()
		view.Progress = t.component(0).Progress
	}
	return view
}

// verifyPackage issues a package to one device at once.
func (e *Engine) verifyPackage(cmd VerifyPackage) error {
	v, err := e.findPackage("verify", cmd.Package)
	if err != nil {
		return err
	}
	d := e.known(ota.Identity{Product: v.view.Product, Device: cmd.Device})
	if d == nil {
		return fmt.Errorf("cannot verify package %q on device %q: device %w in product %s", v.view.Name, cmd.Device,
			ErrUnknown, v.view.Product)
	}
	if v.view.Verified || v.check.running() {
		return fmt.Errorf("cannot verify package %q: it is being verified, or was", v.view.Name)
	}
	p := e.verificationPlan(v, d)
	if reason := whyNotVerify(p, v, d); reason != "" {
		return fmt.Errorf("cannot verify package %q on device %q: %s", v.view.Name, d.key, reason)
	}
	e.dropVerification(v)
	v.check = &verification{device: d, plan: p, created: e.now, outcome: Verifying}
	e.keepPackage(v)
	e.enrol(p)
	e.setStatus(p, ToBeUpgraded)
	p.product.setActive(p)
	e.activated++
	p.activation = e.activated
	p.nextPush = nextGrid(e.now, p.spec.Zone)
	e.scheduleWake()
	e.offer(e.taskFor(p, d), logPushed)
	return nil
}

func whyNotVerify(p *plan, v *versionPackage, d *device) string {
	switch {
	case !d.online:
		return "it is offline"
	case d.active != nil:
		return fmt.Sprintf("it is busy with plan %q", d.active.plan.spec.Name)
	case p.fit(d) != fits:
		return "the package does not fit the version that it runs"
	case v.check != nil && v.check.plan.tally[ota.DeviceUpgrading] > 0:
		return fmt.Sprintf("device %q is still at work for the last verification", v.check.device.key)
	}
	return ""
}

// verificationPlan is the plan that a verification works by.
func (e *Engine) verificationPlan(v *versionPackage, d *device) *plan {
	id := ""
	for n := 1; id == "" || e.plans[id] != nil; n++ {
		id = fmt.Sprintf("verify-%s-%d", v.view.ID, n)
	}
	c := ComponentSpec{ID: v.view.Component, Type: v.view.Type, Package: v.view.Package, Target: v.view.Target}
	if v.view.Package == ota.Delta {
		c.Sources = []string{v.view.Source}
	}
	spec := PlanSpec{
		ID: id, Name: id, Product: v.view.Product, White: []string{d.key}, Zone: time.UTC,
		Start: e.now, End: e.now.Add(VerificationTime), Mode: ota.Silent, Retries: ota.MaxRetries,
		Components: []ComponentSpec{c},
	}
	p, _ := e.draft(spec) // the package is there
	p.verifies = v
	return p
}

// conclude ends a verification whose device is at its end.
func (e *Engine) conclude(t *task) {
	v := t.plan.verifies
	if v == nil || !v.check.running() || v.check.plan != t.plan || !ended(t.status) {
		return
	}
	v.check.outcome = VerifyingFailed
	if t.status == ota.DeviceUpgraded {
		v.check.outcome, v.view.Verified = VerifyingPassed, true
	}
	v.view.Updated = e.now
	e.keepPackage(v)
	if !t.plan.status.closed() {
		e.closePlan(t.plan, Finished)
		e.scheduleWake()
	}
}

// expire ends a verification whose time is up.
func (e *Engine) expire(p *plan) {
	if v := p.verifies; v != nil && v.check.running() && v.check.plan == p {
		v.check.outcome = VerifyingTimeout
		e.keepPackage(v)
	}
}

// dropVerification forgets the last verification of a package.
func (e *Engine) dropVerification(v *versionPackage) {
	if v.check == nil {
		return
	}
	p := v.check.plan
	e.dropPlan(p)
	for _, t := range p.tasks {
		t.device.tasks = slices.DeleteFunc(t.device.tasks, func(other *task) bool { return other == t })
		e.keepNoTask(t)
	}
	v.check = nil
}
