package agent

import "time"

// A device without a clock, or with one that has stopped, would take a manifest
// that has expired. What it knows for certain is that no time comes again: it is
// not before the program was made, nor before a manifest was signed that the
// device has taken, nor before the platform sent a message. The first two are
// kept for ever. The third is only believed until the next start, since no one
// signs it: a platform whose clock was wrong once must not lock the device out.
// A time that is far ahead of all that is known is a mistake, and not believed.

const (
	// floorAhead is how far ahead of what is known a manifest may have been made.
	floorAhead = 24 * time.Hour
	// heardAhead is how far ahead of the device's own clock a message of the
	// platform may be: a device may have lain in a store, its clock stopped.
	heardAhead = 400 * 24 * time.Hour
)

// KnownTime is the time of the clock, or a later one that is known to have passed:
// when the program was made, or a signed manifest. Certificates are checked
// against it.
func (m *Machine) KnownTime(now time.Time) time.Time {
	for _, t := range []time.Time{m.config.Built, m.state.Floor} {
		if t.After(now) {
			now = t
		}
	}
	return now
}

// notBefore is the time by which manifests expire: the known time, or a later one
// that the platform has said.
func (m *Machine) notBefore() time.Time {
	if known := m.KnownTime(m.now); known.After(m.heard) {
		return known
	}
	return m.heard
}

// hear notes when the platform sent a message about a plan of this device.
func (m *Machine) hear(plan string, t time.Time) {
	if m.state.find(plan) != nil && t.After(m.heard) && !t.After(m.KnownTime(m.now).Add(heardAhead)) {
		m.heard = t
	}
}

// raiseFloor notes when a manifest was made that has been verified. It is saved
// with the step that the manifest allows.
func (m *Machine) raiseFloor(t time.Time) {
	if t.After(m.state.Floor) && !t.After(m.notBefore().Add(floorAhead)) {
		m.state.Floor, m.dirty = t.UTC(), true
	}
}
