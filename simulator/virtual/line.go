package virtual

import (
	"time"

	"otafleet/agent/link/quecthing"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/model"
)

// besidePayload is about what a message has beside its payload: headers and a topic.
const besidePayload = 100

// sent is when a message of a device has left it: at once, unless the line says how
// much does.
func (l *link) sent(m ota.Up) time.Duration {
	rate := l.now().Upload
	if rate == 0 {
		return l.world.now
	}
	_, payload, err := wire.EncodeUp(m)
	if err != nil {
		panic("internal error: " + err.Error()) // the machine sends what can be written
	}
	return l.leaves(len(payload), rate)
}

// published is when a message of a dialect has left its device.
func (l *link) published(m *quecthing.Publish) time.Duration {
	rate := l.now().Upload
	if rate == 0 {
		return l.world.now
	}
	return l.leaves(len(m.Payload), rate)
}

// leaves is when bytes have left the device, behind those that it is sending.
func (l *link) leaves(payload int, rate int64) time.Duration {
	l.sending = max(l.sending, l.world.now) + model.OnLine(float64(payload+besidePayload), rate)
	return l.sending
}

// awaitOutage takes the session that was just opened for lost when nothing has passed
// for long because of the line's trace.
func (l *link) awaitOutage() {
	conn, wait := l.conn, l.line.NextOutage(l.world.now, longSilence)
	if wait < 0 {
		return
	}
	l.world.aside(wait, func() {
		if l.conn == conn && l.up {
			l.silence()
		}
	})
}

// heed lets an answer under way go on as the trace of the line does.
func (f *fetch) heed(a *answer) {
	l := f.device.link
	lasts := l.line.Lasts(l.world.now)
	if lasts > l.world.run.scenario.Duration {
		return
	}
	l.world.aside(lasts, func() {
		switch {
		case !f.current() || f.answer != a:
			return
		case l.still() > l.world.now:
			f.freeze()
		default:
			f.changeSpeed()
		}
		if f.answer == a {
			f.heed(a)
		}
	})
}
