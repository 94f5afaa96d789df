package agent

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// connect begins a session: what runs, then every report that is not
// acknowledged, then the answer to a plan if the platform may not have it.
func (m *Machine) connect() {
	m.connected = true
	m.outbox.Replay()
	m.address.rewind()
	m.resend, m.request, m.contact = backoff{}, backoff{}, time.Time{}
	m.announce = false
	m.inventory(!m.working())
	m.flush()
	t, waits := m.waitsForURLs()
	if waits && m.state.Run.awaits(t.i) {
		m.decide(m.state.Run.Plan.ID, m.state.Run.Attempt, nil)
	}
	if waits && m.unasked != "" {
		m.refresh(t, m.unasked)
	}
}

// working reports whether a plan is in progress.
func (m *Machine) working() bool { return m.state.Run != nil && m.state.Run.inProgress() }

// inventory tells the platform what runs; request asks it for a plan. A
// component that never answered is left out, since nothing true can be said.
func (m *Machine) inventory(request bool) {
	m.send(m.newInventory(request))
	if request && m.connected {
		m.request.arm(m.now, requestWait)
	}
}

// newInventory is what there is to say of the device.
func (m *Machine) newInventory(request bool) *ota.Inventory {
	inv := &ota.Inventory{
		Time: m.now, Agent: m.config.Agent, Request: request, Via: m.config.Via,
		Battery: m.readings.Battery, RSSI: m.readings.RSSI, FreeBytes: m.readings.FreeBytes,
		Components: make([]ota.ComponentVersion, 0, len(m.state.Components)),
	}
	for i, c := range m.state.Components {
		if c.Version != "" {
			inv.Components = append(inv.Components, ota.ComponentVersion{ID: c.ID, Type: m.config.Components[i].Type,
				Version: c.Version})
		}
	}
	inv.Running = m.state.Run.running()
	return inv
}

// running tells the platform of its plan that is in progress; nil for none.
func (r *Run) running() *ota.Running {
	if r == nil || r.Local != "" || !r.inProgress() {
		return nil
	}
	return &ota.Running{Plan: r.Plan.ID, Attempt: r.Attempt, Seq: r.LastSeq}
}

// report moves a part to a status and queues the report of it. The status table
// forbids what must not happen.
func (m *Machine) report(t task, status ota.Status, failure *ota.Failure) {
	m.reportOn(m.state.Run, t.i, status, failure)
}

// reportOn is report for a run that need not be the one in hand.
func (m *Machine) reportOn(run *Run, i int, status ota.Status, failure *ota.Failure) {
	part := &run.Parts[i]
	if err := ota.Legal(part.Status, status, failure); err != nil {
		m.breakOff(run, i, err)
		return
	}
	part.Status, part.At = status, m.stamp()
	m.dirty = true
	r := ota.Report{
		// What is kept on disk has milliseconds; a report must not change there.
		Time: m.now.UTC().Truncate(time.Millisecond), Plan: run.Plan.ID, Attempt: run.Attempt,
		Component: run.Plan.Components[i].ID, Status: status,
		Version: m.version(run.Plan.Components[i].ID), Failure: failure,
	}
	if run.Local != "" {
		m.sends = append(m.sends, Note{r})
		return
	}
	run.LastSeq = m.outbox.Add(run.LastSeq, r).Seq
}

// breakOff ends part i of a run over a mistake of the machine's own: a status that
// must not follow. An agent that ended over it would end at every start, so the
// part ends as the status table lets it, with code internal, or stays where it is.
func (m *Machine) breakOff(run *Run, i int, err error) {
	m.effect(Broken{fmt.Errorf("component %s of plan %s: %w", run.Plan.Components[i].ID, run.Plan.ID, err)})
	part := &run.Parts[i]
	part.Step, part.Again, m.dirty = StepNone, false, true
	failure := &ota.Failure{Code: ota.Internal, Detail: err.Error()}
	if status := part.failedAs(); ota.Legal(part.Status, status, failure) == nil {
		part.Failure, part.FailedIn = failure, run.Attempt
		m.reportOn(run, i, status, failure)
	}
}

// flush sends the reports that this session has not sent.
func (m *Machine) flush() {
	if !m.connected {
		return
	}
	unsent := m.outbox.Unsent()
	for i := range unsent {
		m.send(&unsent[i])
	}
}

// lastSeq is the last report number that a plan has used, as far as that is known.
func (m *Machine) lastSeq(plan string) int {
	if run := m.state.find(plan); run != nil {
		return run.LastSeq
	}
	if ended := m.state.recall(plan); ended != nil {
		return ended.LastSeq
	}
	last := 0
	for _, r := range m.outbox.Queue() {
		if r.Plan == plan {
			last = r.Seq
		}
	}
	return last
}

// acked drops what the platform has stored. A queue that shrinks is not worth a
// write, since sending a report again is harmless; one that becomes empty is.
func (m *Machine) acked(a *ota.Ack) {
	if a.Seq > m.lastSeq(a.Plan) {
		return // of reports that the device never made: none has stored them
	}
	if m.outbox.Ack(a.Plan, a.Seq) == 0 {
		return
	}
	m.resend = backoff{}
	if m.outbox.Len() == 0 {
		m.dirty = true
	}
}
