package agent

import (
	"otafleet/internal/ota"
)

// Install is a package file that the operator installs at the device, as a plan
// of its own. It goes the way of every other plan, signature and health checks
// included, but that the operator's word stands for the answer and the window,
// that success needs no contact to the platform, and that the platform does not
// hear of it but by the inventory afterwards.
type Install struct {
	Plan    *ota.Plan    // of one component; its id must be new
	Package *ota.Package // the signed manifest; its addresses are not asked
	Path    string       // of the package file, from which the bytes are read
}

// Note is a step of a plan that the platform does not know: for the device's own
// log.
type Note struct{ Report ota.Report }

func (Install) input() {}
func (Note) output()   {}

// install takes up a local plan. It does nothing while another plan is in
// progress, or in a pause: whoever posts it looks before.
func (m *Machine) install(in Install) {
	if m.working() || m.state.Paused != nil || m.state.find(in.Plan.ID) != nil {
		return
	}
	run := newRun(in.Plan)
	run.Local = in.Path
	m.takeUp(run)
	m.receivePlan()
	if r := m.objection(); r != nil {
		m.refuse(r)
		return
	}
	m.accept()
	if run.inProgress() {
		m.keepPackage(m.task(0), in.Package)
	}
}

// local reports whether the current plan is the operator's.
func (m *Machine) local() bool { return m.state.Run != nil && m.state.Run.Local != "" }

// lost ends a local plan whose package was not kept before a cut: no platform sends
// it again.
func (m *Machine) lost() {
	t, found := m.active()
	if !m.local() || !found || !t.needsPackage() {
		return
	}
	m.fail(t, t.failedAs(), &ota.Failure{Code: ota.StorageUnavailable,
		Detail: "the device was cut off before it had kept the package; install it again"})
}

// Rehearsal is what would become of a package if it were installed now.
type Rehearsal struct {
	Manifest *ota.Manifest // nil if the signature is not accepted
	Runs     string        // the version that the component runs
	Refused  *ota.Failure  // why the package would never be taken; nil if it would
	Blocked  []Blocker     // what holds the device back at the moment
}

// Blocker is one thing that holds the device back at the moment.
type Blocker struct {
	Reason ota.Reason
	Detail string
}

// Rehearse says what would become of a local plan, whose package has been opened,
// under the conditions that are given, and changes nothing: it plays the decision
// on a copy.
func (m *Machine) Rehearse(in Install, opened Opened, readings Readings) Rehearsal {
	copied := *m
	copied.readings = readings
	copied.state, copied.sends, copied.effects = *m.state.snapshot(nil), nil, nil
	result := Rehearsal{Manifest: opened.manifest, Refused: opened.failure}
	if run := m.state.Run; run != nil && m.working() {
		result.Blocked = append(result.Blocked, Blocker{ota.ReasonBusy, "plan " + run.Plan.ID + " is in progress"})
	}
	run := newRun(in.Plan)
	run.Local = in.Path
	copied.takeUp(run)
	t := copied.task(0)
	result.Runs = t.runs()
	if r := copied.objection(); r != nil {
		result.Blocked = append(result.Blocked, Blocker{r.reason, r.detail})
	}
	if result.Refused == nil {
		result.Refused = copied.unfit(t, in.Package, opened.manifest)
	}
	return result
}
