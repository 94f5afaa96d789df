package real

import (
	"sync"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// memberSession is how a device speaks and hears that has no session of its own: over
// its gateway's, for as long as the gateway has one.
type memberSession struct {
	// Immutable.
	device  *device
	gateway *device
	index   int // among those behind the gateway

	mu   sync.Mutex // held while something is delivered; guards the following; taken before any device's
	up   bool       // the gateway has a session
	boot *boot      // of the device, that knows of the session; nil if there is none
}

// hear takes what the gateway's session brings for the device. What comes while
// the device has no power is lost.
func (v *memberSession) hear(in agent.Input) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.boot
	switch in.(type) {
	case agent.Connected:
		l = v.device.booted()
		v.up, v.boot = true, l
	case agent.Disconnected:
		v.up, v.boot = false, nil
	}
	if l != nil {
		l.hear(in)
	}
}

// join lets a new boot of the device know of the session, if there is one.
func (v *memberSession) join(l *boot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.up && v.boot != l {
		v.boot = l
		l.hear(agent.Connected{})
	}
}

// leave is the end of a boot of the device. The gateway tells the platform.
func (v *memberSession) leave(l *boot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.boot == l {
		v.boot = nil
		v.device.setConnected(false)
		v.Send(&ota.Offline{})
	}
}

// Send sends a message over the gateway's session, and drops it if there is none
// (agent.Link).
func (v *memberSession) Send(m ota.Up) {
	if l := v.gateway.booted(); l != nil {
		l.session.Member(v.index).Send(m)
	}
}

// members are the devices behind a gateway, as its link knows them.
func (d *device) members() []link.Device {
	members := make([]link.Device, len(d.behind))
	for i, sub := range d.behind {
		members[i] = link.Device{Identity: sub.ID, Deliver: sub.member.hear}
	}
	return members
}
