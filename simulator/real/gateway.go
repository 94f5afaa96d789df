package real

import (
	"sync"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// voice is how a device speaks and hears that has no session of its own: over
// its gateway's, for as long as the gateway has one.
type voice struct {
	// Immutable.
	device  *device
	gateway *device
	index   int // among those behind the gateway

	mu   sync.Mutex // held while something is delivered; guards the following; taken before any device's
	up   bool       // the gateway has a session
	life *life      // of the device, that knows of the session; nil if there is none
}

// hear takes what the gateway's session brings for the device. What comes while
// the device has no power is lost.
func (v *voice) hear(in agent.Input) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.life
	switch in.(type) {
	case agent.Connected:
		l = v.device.currentLife()
		v.up, v.life = true, l
	case agent.Disconnected:
		v.up, v.life = false, nil
	}
	if l != nil {
		l.hear(in)
	}
}

// join lets a new life of the device know of the session, if there is one.
func (v *voice) join(l *life) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.up && v.life != l {
		v.life = l
		l.hear(agent.Connected{})
	}
}

// leave is the end of a life of the device. The gateway tells the platform.
func (v *voice) leave(l *life) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.life == l {
		v.life = nil
		v.device.setConnected(false)
		v.Send(&ota.Offline{})
	}
}

// Send sends a message over the gateway's session, and drops it if there is none
// (agent.Link).
func (v *voice) Send(m ota.Up) {
	if l := v.gateway.currentLife(); l != nil {
		l.session.Member(v.index).Send(m)
	}
}

// members are the devices behind a gateway, as its link knows them.
func (d *device) members() []link.Device {
	members := make([]link.Device, len(d.behind))
	for i, sub := range d.behind {
		members[i] = link.Device{Identity: sub.ID, Deliver: sub.voice.hear}
	}
	return members
}
