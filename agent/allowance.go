package agent

import "time"

// How much of one kind a platform may cause: so many at once, and on the average
// one in each changeEvery. A platform in a loop, or a hostile broker, must not wear
// out a flash or drown a log.
const (
	changesAtOnce = 20
	changeEvery   = 4 * time.Second
)

// allowance is what is left of that. The zero value is full.
type allowance struct {
	used int
	at   time.Time // since when the next one is on its way; zero while none is used
}

// take uses one up, if there is one left.
func (a *allowance) take(now time.Time) bool {
	if now.Before(a.at) { // the clock was set back
		a.at = now
	}
	if a.used > 0 {
		back := int(now.Sub(a.at) / changeEvery)
		a.used = max(0, a.used-back)
		a.at = a.at.Add(time.Duration(back) * changeEvery)
	}
	if a.used == changesAtOnce {
		return false
	}
	if a.used == 0 {
		a.at = now
	}
	a.used++
	return true
}

// next is when there is one again, after take has said that there is none.
func (a *allowance) next() time.Time { return a.at.Add(changeEvery) }

// mayChange reports whether what the platform sends may change the saved state now.
// If not, the device asks the platform again when it may.
func (m *Machine) mayChange() bool {
	if m.changes.take(m.now) {
		return true
	}
	m.request = backoff{}
	m.request.arm(m.now, m.changes.next().Sub(m.now))
	return false
}
