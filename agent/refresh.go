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

// waitsForURLs returns the part that cannot go on without download URLs; false if
// there is none.
func (m *Machine) waitsForURLs() (task, bool) {
	if m.running != 0 || m.local() {
		return task{}, false
	}
	t, found := m.active()
	return t, found && t.needsPackage()
}

// refresh asks the platform for download URLs of a part, and again later if none
// come. Without a connection the question waits for the next one.
func (m *Machine) refresh(t task, reason ota.AddressReason) {
	m.unasked = ""
	if !m.connected {
		m.unasked = reason
		return
	}
	run := m.state.Run
	m.send(&ota.AddressRequest{Time: m.now, Plan: run.Plan.ID, Attempt: run.Attempt,
		Component: t.wants.ID, Reason: reason})
	m.address.arm(m.now, refreshWait)
}

// refreshAgain asks once more, or gives up on a platform that has not sent a package
// for a week: a device must not be busy with a forgotten plan for ever.
func (m *Machine) refreshAgain(t task) {
	// After a long time without a connection the first question comes first.
	if m.now.Sub(m.address.since) < refreshGiveUp || m.address.wait == refreshWait {
		m.refresh(t, t.refreshReason())
		m.address.next(m.now, refreshWaitCap)
		return
	}
	failure := &ota.Failure{Code: ota.URLExpired, Detail: "no package address for " + refreshGiveUp.String()}
	if t.Status.Failed() {
		t.Again, m.dirty = false, true
		return
	}
	m.fail(t, t.failedAs(), failure)
}

// refreshReason is why the device asks for download URLs that have not come.
func (t task) refreshReason() ota.AddressReason {
	if t.Full {
		return ota.AddressFull
	}
	return ota.AddressMissing
}
