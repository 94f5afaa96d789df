package agent

import "time"

// A device without a clock, or with one that has stopped, would take a manifest
// that has expired. What it knows for certain is that no time comes again: it is
// not before the program was made, nor before a manifest was signed that the
// device has taken, nor before the platform sent a message. The first two are
// kept for ever. The third is only believed until the next start, since nobody
// signs it: a platform whose clock was wrong once must not lock the device out.

// notBefore is the time by which manifests expire: the clock's, or a later one
// that is known to have passed.
func (m *Machine) notBefore() time.Time {
	latest := m.now
	for _, t := range []time.Time{m.config.Built, m.state.Floor, m.heard} {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

// hear notes when the platform sent a message.
func (m *Machine) hear(t time.Time) {
	if t.After(m.heard) {
		m.heard = t
	}
}

// raiseFloor notes when a manifest was made that has been verified. It is saved
// with the step that the manifest allows.
func (m *Machine) raiseFloor(t time.Time) {
	if t.After(m.state.Floor) {
		m.state.Floor, m.dirty = t.UTC(), true
	}
}
