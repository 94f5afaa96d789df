package agent

import (
	"time"

	"otafleet/internal/ota"
)

// How long the device waits for the download URLs of a package. The first is the
// protocol's (section 3, item 4).
const (
	refreshWait    = 30 * time.Second   // before asking for them
	refreshWaitCap = 10 * time.Minute   // between two requests, after doubling
	refreshGiveUp  = 7 * 24 * time.Hour // without any: the platform has forgotten the plan
)

// waitsForURLs returns the part that cannot go on without an address; -1 if
// there is none.
func (m *Machine) waitsForURLs() int {
	run := m.state.Run
	if run == nil || m.running != 0 {
		return -1
	}
	i := run.active(m.work)
	if i < 0 || run.Parts[i].Step != StepNone || m.work[i].pkg != nil || run.Local != "" {
		return -1
	}
	return i
}

// refresh asks the platform for an address of part i, and again later if
// none comes. Without a connection the question waits for the next one.
func (m *Machine) refresh(i int, reason ota.AddressReason) {
	m.unasked = ""
	if !m.connected {
		m.unasked = reason
		return
	}
	run := m.state.Run
	m.send(&ota.AddressRequest{Time: m.now, Plan: run.Plan.ID, Attempt: run.Attempt,
		Component: run.Plan.Components[i].ID, Reason: reason})
	m.address.arm(m.now, refreshWait)
}

// refreshAgain asks once more, or gives up on a platform that has not sent an
// address for a week: a device must not be busy with a forgotten plan for ever.
func (m *Machine) refreshAgain(i int) {
	// After a long time without a connection the first question comes first.
	if m.now.Sub(m.address.since) < refreshGiveUp || m.address.wait == refreshWait {
		m.refresh(i, m.refreshReason(i))
		m.address.next(m.now, refreshWaitCap)
		return
	}
	failure := &ota.Failure{Code: ota.URLExpired, Detail: "no package address for " + refreshGiveUp.String()}
	part := &m.state.Run.Parts[i]
	if part.Status.Failed() {
		part.Again, m.dirty = false, true
		return
	}
	m.fail(i, part.failedAs(), failure)
}

// refreshReason is why the device asks for an address that has not come.
func (m *Machine) refreshReason(i int) ota.AddressReason {
	if m.state.Run.Parts[i].Full {
		return ota.AddressFull
	}
	return ota.AddressMissing
}
