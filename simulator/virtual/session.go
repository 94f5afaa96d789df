package virtual

import (
	"math"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

const (
	// shakes is how often something goes over the link and back before a session
	// is up: TCP, CONNECT, SUBSCRIBE.
	shakes = 3
	// longSilence is how long a connection on which nothing passes any more is taken
	// for one: the keep-alive of the protocol, and its half again at the broker.
	longSilence = model.KeepAlive * 3 / 2
)

// link is a device's connection to everything else, and the MQTT connection over
// it. Those that a gateway speaks for share the gateway's.
type link struct {
	world    *world
	line     model.Line
	random   random
	speakers []*device // whose messages go over it, the owner first

	up       bool
	conn     *conn // the MQTT connection, or the try for one
	failures int   // to connect, in a row
	began    time.Duration
	lastUp   time.Duration // when the last message up arrives
	lastDown time.Duration

	dead      time.Duration // down until then
	frozen    time.Duration // nothing passes until then
	late      time.Duration // more latency, each way, until lateUntil
	lateUntil time.Duration
	slow      int64 // bytes a second at most, until slowUntil
	slowUntil time.Duration
	sending   time.Duration // until then the line is busy with what its devices send
}

// conn is one MQTT connection. What is on its way when it ends abruptly is lost.
type conn struct{ lost bool }

// now is what the line is like.
func (l *link) now() scenario.Link { return l.line.At(l.world.now) }

// still is until when nothing passes; not after now if something does.
func (l *link) still() time.Duration {
	return max(l.frozen, l.world.now+l.line.Outage(l.world.now))
}

// delay is one way of the link.
func (l *link) delay() time.Duration {
	now := l.now()
	d := model.Latency(&now, l.random.next) + model.Resend(&now, l.random.next)
	if l.world.now < l.lateUntil {
		d += l.late
	}
	return d
}

// bandwidth is how fast downloads come, in bytes a second; infinite without a
// limit. A lost packet holds up what follows it.
func (l *link) bandwidth() float64 {
	rate, now := math.Inf(1), l.now()
	if now.Bandwidth > 0 {
		rate = float64(now.Bandwidth)
	}
	if l.world.now < l.slowUntil {
		rate = min(rate, float64(l.slow))
	}
	if now.Loss > 0 {
		wait := now.ResendTime().Seconds() * now.Loss.Share()
		rate = model.Segment / (model.Segment/rate + wait)
	}
	return rate
}

// throttle passes at most so many bytes a second for a time. A download under
// way goes on at the new speed.
func (l *link) throttle(rate int64, lasting time.Duration) {
	l.slow, l.slowUntil = rate, max(l.slowUntil, l.world.now+lasting)
	l.changeSpeed()
	l.world.queue.add(l.slowUntil, l.changeSpeed)
}

func (l *link) changeSpeed() {
	for _, d := range l.speakers {
		if d.alive() && d.current.fetch != nil {
			d.current.fetch.changeSpeed()
		}
	}
}

// freeze lets nothing pass for a time. If it lasts, both ends take the connection
// for lost.
func (l *link) freeze(still time.Duration) {
	l.frozen = max(l.frozen, l.world.now+still)
	l.silence()
}

// silence lets what is under way know that nothing passes for a time.
func (l *link) silence() {
	for _, d := range l.speakers {
		if d.alive() && d.current.fetch != nil {
			d.current.fetch.freeze()
		}
	}
	if conn := l.conn; l.up && l.still()-l.world.now >= longSilence {
		l.world.after(longSilence, func() {
			if l.conn == conn && l.up {
				l.lose()
			}
		})
	}
}

func (l *link) owner() *device { return l.speakers[0] }

// isDown reports whether nothing can be sent at all.
func (l *link) isDown() bool { return l.world.now < l.dead }

// connect tries to open the session, now and again.
func (l *link) connect() {
	try := &conn{}
	l.conn = try
	if l.isOut() {
		l.retry()
		return
	}
	took := l.line.Outage(l.world.now)
	if took > model.ConnectTimeout {
		l.world.after(model.ConnectTimeout, l.retryOf(try))
		return
	}
	for range 2 * shakes {
		took += l.delay()
	}
	l.world.after(took, func() {
		switch {
		case l.conn != try || !l.owner().alive():
		case l.isOut():
			l.retry()
		default:
			l.opened()
		}
	})
}

// retryOf tries again, unless another try has come meanwhile.
func (l *link) retryOf(try *conn) func() {
	return func() {
		if l.conn == try && l.owner().alive() {
			l.retry()
		}
	}
}

// isOut reports whether no connection comes up.
func (l *link) isOut() bool {
	return l.isDown() || l.world.platform.brokerDown || l.world.now < l.frozen
}

// retry waits for a random part of a ceiling that doubles with every failure.
func (l *link) retry() {
	ceiling := min(model.FirstReconnect<<l.failures, model.LongestReconnect)
	if ceiling < model.LongestReconnect {
		l.failures++
	}
	try := &conn{}
	l.conn = try
	l.world.after(time.Duration(l.random.next()*float64(ceiling)), func() {
		if l.conn == try && l.owner().alive() {
			l.connect()
		}
	})
}

func (l *link) opened() {
	l.up, l.began = true, l.world.now
	l.lastUp, l.lastDown = l.world.now, l.world.now
	l.awaitOutage()
	for _, d := range l.speakers {
		if d.alive() {
			d.session.open()
		}
	}
}

// hangUp ends the connection: abruptly, so that what is on its way is lost, or
// with a goodbye behind it.
func (l *link) hangUp(abruptly bool) {
	if l.conn != nil {
		l.conn.lost = abruptly
	}
	l.conn = nil
	if !l.up {
		return
	}
	l.up = false
	if l.world.now-l.began > min(model.FirstReconnect<<l.failures, model.LongestReconnect) {
		l.failures = 0
	}
	for _, d := range l.speakers {
		d.session.close(abruptly)
	}
}

// lose ends the connection from outside. A device that is on tries again.
func (l *link) lose() {
	l.hangUp(true)
	if l.owner().alive() {
		l.retry()
	}
}

// cut drops every connection and lets none up for a time.
func (l *link) cut(down time.Duration) {
	l.dead = max(l.dead, l.world.now+down)
	for _, d := range l.speakers {
		d.interrupt()
	}
	l.cutSession()
	l.breakOff()
}

// breakOff tells those that have no session of what they have open.
func (l *link) breakOff() {
	for _, d := range l.speakers {
		d.talk.broken()
	}
}

// cutSession drops the session, and leaves downloads alone.
func (l *link) cutSession() {
	if l.up {
		l.lose()
	}
}

// forget lets the broker forget its sessions.
func (l *link) forget() {
	for _, d := range l.speakers {
		d.session.known, d.session.kept = false, nil
	}
}

// session is what the broker keeps of one device, and how messages pass.
type session struct {
	device *device
	known  bool // the broker has a session
	up     bool
	kept   []*held // delivered or not, in order
}

// held is a message that the broker does not know to be delivered.
type held struct {
	session   *session
	conn      *conn // over which it is sent; nil before
	message   ota.Down
	delivered time.Duration // when it reached the device; negative before
}

// upward is a message of a device on its way to the platform.
type upward struct {
	session *session
	conn    *conn // over which it goes
	message ota.Up
}

var _ conversation = (*session)(nil)

// begin connects, or uses the gateway's connection.
func (s *session) begin() {
	switch d := s.device; {
	case d.link.owner() == d:
		d.link.connect()
	case d.link.up:
		s.open()
	}
}

// end hangs up.
func (s *session) end(abruptly bool) {
	if d := s.device; d.link.owner() == d {
		d.link.hangUp(abruptly)
	} else {
		s.close(abruptly)
	}
}

func (s *session) online() bool      { return s.up }
func (s *session) quiet() bool       { return true } // it hears what there is
func (s *session) broken()           {}              // the link ends it
func (s *session) received(ota.Down) {}

// open begins to deliver.
func (s *session) open() {
	l := s.device.link
	s.known, s.up = true, true
	s.device.record(verdict.Event{Kind: verdict.Connected})
	s.device.hooks.Deliver(agent.Connected{})
	kept := s.kept
	s.kept = nil
	for _, h := range kept {
		if l.up && s.up && !s.expired(h.message) {
			s.publish(h.message)
		}
	}
}

func (s *session) expired(m ota.Down) bool {
	plan, is := m.(*ota.Plan)
	return is && !s.device.world.clock().Before(plan.Ends)
}

// close ends the delivery. What was delivered just now and not acknowledged will
// come again.
func (s *session) close(abruptly bool) {
	if !s.up {
		return
	}
	s.up = false
	w, l := s.device.world, s.device.link
	kept, latency := s.kept[:0], l.now().Latency
	for _, h := range s.kept {
		if h.delivered < 0 || h.delivered+latency > w.now {
			kept = append(kept, h)
		}
	}
	clear(s.kept[len(kept):])
	s.kept = kept
	s.device.record(verdict.Event{Kind: verdict.Disconnected})
	at := w.now
	if !abruptly {
		at = max(w.now, s.device.link.lastUp)
	}
	w.queue.add(at, func() { w.platform.receive(s.device.ID, &ota.Offline{}) })
	if s.device.alive() {
		s.device.hooks.Deliver(agent.Disconnected{})
	}
}

// publish gives the broker a message for the device.
func (s *session) publish(m ota.Down) {
	if !s.known || s.device.world.platform.brokerDown {
		return
	}
	s.prune()
	h := &held{session: s, message: m, delivered: -1}
	s.kept = append(s.kept, h)
	if s.up {
		s.transmit(h)
	}
}

// prune forgets what has been acknowledged.
func (s *session) prune() {
	w, l := s.device.world, s.device.link
	done, latency := 0, l.now().Latency
	for done < len(s.kept) && s.kept[done].delivered >= 0 && s.kept[done].delivered+latency <= w.now {
		done++
	}
	if done > 0 {
		s.kept = append(s.kept[:0], s.kept[done:]...)
	}
}

// transmit sends a message over the link, behind those before it.
func (s *session) transmit(h *held) {
	w, l := s.device.world, s.device.link
	h.conn = l.conn
	l.lastDown = max(l.lastDown, w.now+l.delay(), l.still())
	w.queue.put(l.lastDown, h)
}

// happen delivers the message.
func (h *held) happen(uint64) {
	if d := h.session.device; !h.conn.lost && h.session.up {
		h.delivered = d.world.now
		d.hooks.Deliver(agent.Received{Message: h.message})
	}
}

// Send sends a message to the platform (agent.Link). Without a connection it is
// dropped, as the agent's link does.
func (s *session) Send(m ota.Up) {
	w, l := s.device.world, s.device.link
	if !s.up {
		return
	}
	l.lastUp = max(l.lastUp, l.sent(m)+l.delay(), l.still())
	u := last(&w.tools.ups)
	*u = upward{s, l.conn, m}
	w.queue.put(l.lastUp, u)
}

// happen lets the message arrive.
func (u *upward) happen(uint64) {
	d, m, lost := u.session.device, u.message, u.conn.lost
	d.world.tools.arrived(u)
	if !lost {
		d.world.platform.receive(d.ID, m)
	}
}
