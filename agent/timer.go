package agent

import (
	"time"

	"otafleet/internal/ota"
)

// Waiting times.
const (
	requestWait    = 30 * time.Second // for a plan or the word that there is none, before asking again
	requestWaitCap = time.Hour
	resendWait     = time.Minute // for an acknowledgement, before sending again
	resendWaitCap  = 10 * time.Minute
	revertWait     = 5 * time.Second // before a try to roll back that failed is repeated
	revertWaitCap  = time.Minute
	maxReverts     = 5 // tries to roll back before the device reports where it stands
)

// backoff is a time that moves away: each call of next doubles the wait.
type backoff struct {
	at   time.Time // when it is due; zero until armed
	wait time.Duration
}

// arm sets the first time, if none is set.
func (b *backoff) arm(now time.Time, wait time.Duration) {
	if b.at.IsZero() {
		b.at, b.wait = now.Add(wait), wait
	}
}

// next sets the following time, up to limit away.
func (b *backoff) next(now time.Time, limit time.Duration) {
	b.wait = min(2*b.wait, limit)
	b.at = now.Add(b.wait)
}

func (b *backoff) due(now time.Time) bool { return !b.at.IsZero() && !now.Before(b.at) }

// search is the backoff of what is given up some day.
type search struct {
	backoff
	since time.Time // when it was first armed
}

// arm sets the first time, if none is set.
func (s *search) arm(now time.Time, wait time.Duration) {
	if s.since.IsZero() {
		s.since = now
	}
	s.backoff.arm(now, wait)
}

// rewind starts the waits anew, and keeps since when.
func (s *search) rewind() { s.backoff = backoff{} }

// schedule asks for a Tick at the next time that something is due.
func (m *Machine) schedule() {
	var next time.Time
	consider := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if m.connected {
		if _, waits := m.waitsForURLs(); waits {
			m.address.arm(m.now, refreshWait)
			consider(m.address.at)
		}
		if m.outbox.Len() > 0 {
			m.resend.arm(m.now, resendWait)
			consider(m.resend.at)
		}
		consider(m.request.at)
		consider(m.retryAt())
	} else {
		consider(m.contact)
	}
	if m.running == 0 && (m.connected || m.local()) {
		consider(m.soaks)
	}
	consider(m.planEnds())
	consider(m.holding().until)
	for i := range m.work {
		if m.running == 0 && m.work[i].failed > 0 {
			consider(m.work[i].reverts.at)
		}
	}
	if !next.Equal(m.timer) {
		m.timer = next
		m.effect(SetTimer{next})
	}
}

// retryAt is when a plan that was refused may be accepted; zero if that is not
// known, or passed.
func (m *Machine) retryAt() time.Time {
	if m.refusal == nil || !m.refusal.retryAt.After(m.now) {
		return time.Time{}
	}
	return m.refusal.retryAt
}

// planEnds is when the question to the operator becomes pointless; zero if none
// waits for an answer.
func (m *Machine) planEnds() time.Time {
	if !m.asking {
		return time.Time{}
	}
	return m.state.Run.Plan.Ends
}

// tick does what is due.
func (m *Machine) tick() {
	m.timer = time.Time{}
	if m.connected {
		m.repeat()
	}
	if m.refusal != nil && !m.refusal.retryAt.IsZero() {
		m.reconsider()
	}
	if !m.contact.IsZero() && !m.connected && !m.now.Before(m.contact) {
		m.contact = time.Time{}
		t, _ := m.active()
		m.rollBack(t, &ota.Failure{Code: ota.HealthCheckFailed,
			Detail: "no contact to the platform within " + m.contactTimeout().String()})
	}
	if ends := m.planEnds(); !ends.IsZero() && !m.now.Before(ends) {
		m.evaluate() // refuses it as expired
	}
}

// repeat says again what the platform has not answered. A connection that holds
// may lose a message all the same: the platform, or its broker, may restart.
func (m *Machine) repeat() {
	t, waits := m.waitsForURLs()
	overdue := waits && m.address.due(m.now)
	// An address may be missing because the platform has missed a report.
	if m.outbox.Len() > 0 && (overdue || m.resend.due(m.now)) {
		m.outbox.Replay()
		m.resend.next(m.now, resendWaitCap)
	}
	if overdue {
		m.refreshAgain(t)
	}
	if m.request.due(m.now) {
		m.request.next(m.now, requestWaitCap)
		m.inventory(!m.working())
	}
}
