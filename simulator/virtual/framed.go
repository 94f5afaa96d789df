package virtual

import (
	"errors"
	"time"

	dialect "otafleet/agent/link/quecthing"
	"otafleet/internal/ota"
	wire "otafleet/internal/quecthing"
	"otafleet/simulator/model"
	fake "otafleet/simulator/platform"
	face "otafleet/simulator/platform/quecthing"
	"otafleet/simulator/verdict"
)

// framed is the conversation of a device that speaks quecthing's dialect: the agent's
// own Exchange on one side of a modelled line, the fake platform's Device on the other.
type framed struct {
	device *device

	// On the device.
	settings dialect.Settings  // its secret outlives restarts
	exchange *dialect.Exchange // nil without power
	looks    uint64            // number of the next look that is planned
	up       bool              // the device knows itself connected
	stored   model.Numbers     // of the reports that the platform has taken

	// At the platform.
	face   *face.Device
	said   []ota.Down // by the engine, and not passed on yet
	asking bool       // the engine is being spoken with
	alarms uint64     // number of the next tick that is planned

	call *call // the connection, or the try for one; nil for none
}

// call is one MQTT connection.
type call struct {
	open     bool          // the platform has the device's subscription
	lastUp   time.Duration // when the last message arrives
	lastDown time.Duration
}

// errUnanswered is why a connection ends on which the broker owes something.
var errUnanswered = errors.New("the broker does not answer")

// shortHold is how soon after a failure the platform sends another address: the agent
// tells a failure once.
const shortHold = time.Second

func newFramed(d *device) *framed {
	return &framed{device: d, face: face.NewDevice(d.ID, face.Patience{Hold: shortHold}),
		settings: dialect.Settings{Identity: d.ID, WantSHA256: true,
			OnFailure: model.OnFailure(d.world.run.scenario, d.Fleet), Draw: d.random.next}}
}

func (f *framed) begin() {
	f.exchange = dialect.NewExchange(f.settings)
	f.look()
}

// end drops the connection. What has not been taken is said again after the restart.
func (f *framed) end(bool) {
	if f.up {
		f.device.record(verdict.Event{Kind: verdict.Disconnected})
	}
	f.exchange, f.up = nil, false
	f.hangUp()
}

func (f *framed) broken() { f.lost(errCut) }

func (f *framed) online() bool { return f.up }
func (f *framed) quiet() bool  { return true } // it hears what there is

// Send takes a message of the device (agent.Link).
func (f *framed) Send(m ota.Up) {
	if f.up {
		f.exchange.Send(f.device.world.clock(), m)
		f.lookAt(f.device.world.now)
	}
}

func (f *framed) received(m ota.Down) { f.device.heardOf(m, &f.stored) }

// lookAt looks at a time, and not at the one that was planned.
func (f *framed) lookAt(at time.Duration) {
	f.looks++
	number := f.looks
	f.device.world.queue.add(at, func() {
		if f.looks == number {
			f.look()
		}
	})
}

// look lets the exchange go on, until it waits for something. What is delivered may end
// the connection, and with it what was to be done: it comes first.
func (f *framed) look() {
	w, x := f.device.world, f.exchange
	for {
		f.deliver()
		if x == nil || f.exchange != x {
			return
		}
		action, at := x.Next(w.clock())
		switch a := action.(type) {
		case dialect.Connect:
			f.connect(a.First)
		case dialect.Publish:
			f.carry(a)
		case dialect.KeepSecret:
			f.settings.Secret = a.Secret
		case dialect.Close:
			f.lost(a.Why)
			return
		default:
			if f.deliver() {
				continue // something was due
			}
			if f.exchange == x && !at.IsZero() {
				f.lookAt(max(w.now, at.Sub(w.run.epoch)))
			}
			return
		}
	}
}

// connect tries to open a connection.
func (f *framed) connect(first bool) {
	w, link := f.device.world, f.device.link
	try := &call{}
	f.call = try
	took := link.line.Outage(w.now)
	for range 2 * shakes {
		took += link.delay()
	}
	w.after(took, func() {
		switch {
		case f.call != try:
		case link.isOut() || w.platform.down: // which hangs up
			f.lost(errRefused)
		default:
			f.opened(first)
		}
	})
}

// opened begins the conversation on both sides.
func (f *framed) opened(first bool) {
	now := f.device.world.now
	f.call.open, f.call.lastUp, f.call.lastDown = true, now, now
	f.converse(func(d *face.Device, t *fake.Talk) []wire.Frame {
		d.Connected(t)
		if first {
			return []wire.Frame{d.Configure(wire.Items{wire.Text(wire.DeviceSecret, "secret of "+f.device.ID.Device)})}
		}
		return nil
	})
	f.exchange.Connected(f.device.world.clock())
	f.look()
}

// hangUp ends the connection, with what is on its way.
func (f *framed) hangUp() {
	w, last := f.device.world, f.call
	f.call, f.said = nil, nil
	f.alarms++
	if last != nil && last.open && f.face.Left() {
		w.queue.add(w.now, func() { w.platform.receive(f.device.ID, &ota.Offline{}) })
	}
}

// lost ends the connection, or the try for one.
func (f *framed) lost(why error) {
	if f.call == nil {
		return
	}
	f.hangUp()
	f.exchange.Lost(f.device.world.clock(), why)
	f.look()
}

// carry carries a message to the platform, and says when it has been taken.
func (f *framed) carry(m dialect.Publish) {
	w, link, c := f.device.world, f.device.link, f.call
	c.lastUp = max(c.lastUp, link.published(&m)+link.delay(), link.still())
	if c.lastUp-w.now > dialect.DefaultAckTimeout {
		f.during(c, w.now+dialect.DefaultAckTimeout, func() { f.lost(errUnanswered) })
		return
	}
	ways := 1
	if m.QoS > 1 {
		ways = 3
	}
	f.during(c, c.lastUp, func() {
		if w.platform.down { // it hangs up
			f.lost(errCut)
			return
		}
		if frame, err := wire.DecodeFrame(m.Payload); err == nil {
			f.converse(func(d *face.Device, t *fake.Talk) []wire.Frame { return d.Take(t, frame) })
		}
		at := w.now
		for range ways {
			at += link.delay()
		}
		f.during(c, max(at, link.still()), func() {
			f.exchange.Taken(w.clock())
			f.look()
		})
	})
}

// during does something at a time, if the connection is still the same.
func (f *framed) during(c *call, at time.Duration, do func()) {
	f.device.world.queue.add(at, func() {
		if f.call == c {
			do()
		}
	})
}

// publish takes what the engine says to the device. It may be in the middle of something,
// so it is passed on later.
func (f *framed) publish(m ota.Down) {
	if f.call == nil || !f.call.open {
		return // the engine says it again when the device is back
	}
	f.said = append(f.said, m)
	if !f.asking {
		f.during(f.call, f.device.world.now, func() { f.converse((*face.Device).Tick) })
	}
}

// converse has the device say something to the platform, passes on what the engine says
// to that, and sends what the device is to be sent.
func (f *framed) converse(step func(*face.Device, *fake.Talk) []wire.Frame) {
	w := f.device.world
	if w.platform.down {
		return
	}
	talk := func() *fake.Talk { return fake.NewTalk(w.clock(), w.platform.engine, w.platform.execute) }
	f.asking = true
	frames := step(f.face, talk())
	for len(f.said) > 0 {
		m := f.said[0]
		f.said = f.said[1:]
		if p, is := m.(*ota.Package); is {
			frames = append(frames, f.face.Addressed(talk(), f.addressOf(p))...)
		} else {
			frames = append(frames, f.face.Receive(talk(), m)...)
		}
	}
	f.asking = false
	for _, frame := range frames {
		f.transmit(frame)
	}
	f.alarms++
	number := f.alarms
	if at := f.face.Next(); !at.IsZero() {
		w.queue.add(max(w.now, at.Sub(w.run.epoch)), func() {
			if f.alarms == number {
				f.converse((*face.Device).Tick)
			}
		})
	}
}

// addressOf is the address of a package in the words of the platform's face.
func (f *framed) addressOf(p *ota.Package) face.Address {
	a := face.Address{Plan: p.Plan, Attempt: p.Attempt, Component: p.Component}
	for _, made := range f.device.world.run.artifacts {
		if same(&p.Envelope, &made.Envelope) {
			a.Files = made.files
		}
	}
	for i := range p.Files {
		a.URLs = append(a.URLs, p.Files[i].URLs[0])
	}
	return a
}

// transmit sends a frame to the device.
func (f *framed) transmit(frame wire.Frame) {
	payload, err := frame.Encode()
	if err != nil {
		panic("internal error: " + err.Error()) // the face makes frames that are
	}
	c, link := f.call, f.device.link
	if c == nil {
		return // it has ended meanwhile
	}
	c.lastDown = max(c.lastDown, f.device.world.now+link.delay(), link.still())
	f.during(c, c.lastDown, func() {
		f.exchange.Heard(f.device.world.clock(), payload)
		f.look()
	})
}

// deliver gives the device what there is for it, and reports whether there was anything.
func (f *framed) deliver() bool {
	d, x := f.device, f.exchange
	if x == nil {
		return false
	}
	inputs := x.Deliveries()
	for _, in := range inputs {
		f.up = d.follow(in, f.up)
		d.hooks.Deliver(in)
		if f.exchange != x {
			return true // it has lost its power
		}
	}
	if len(inputs) == 0 {
		return false
	}
	l := d.current
	l.handled = func() {
		x.Handled(d.world.clock())
		f.lookAt(d.world.now)
	}
	d.tellHandled(l)
	return true
}
