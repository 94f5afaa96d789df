package native

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// receive hands on a message, and acknowledges it once it has been handled. What
// cannot be understood is acknowledged and dropped: sent again it would be the
// same. An error is a broker that sends more than it may.
func (l *Session) receive(s *live, p *packets.Publish) error {
	taken, err := l.admit(s, p)
	if taken {
		l.handOn(s, p)
	}
	return err
}

// admit reports whether there is room for a message. One that there is none for is
// acknowledged, too, if the device cannot keep up: its places are the others'. The
// device asks the platform when it has caught up.
func (l *Session) admit(s *live, p *packets.Publish) (taken bool, err error) {
	if s.inflight.acksStopped() {
		return false, nil
	}
	id, _, _, _ := l.topics.Parse(p.Topic)
	if taken, err = l.window.enter(&s.counts, p, l.listener(id), &l.cfg); taken || err != nil {
		return taken, err
	}
	l.complaints.say(l.log, "more messages come than the device handles; one is dropped", "for", id.Device, "qos", p.QoS)
	if p.QoS > 0 {
		l.acknowledge(s, p.PacketID, packets.PubackQuotaExceeded)
	}
	return false, nil
}

// forget lets go of the messages of a connection that came to nothing.
func (l *Session) forget(s *live) {
	for _, p := range s.early {
		id, _, _, _ := l.topics.Parse(p.Topic)
		l.window.leave(&s.counts, p.QoS, len(p.Payload), l.listener(id))
	}
}

// handOn delivers a message and sees to its acknowledgement.
func (l *Session) handOn(s *live, p *packets.Publish) {
	id, direction, kind, ok := l.topics.Parse(p.Topic)
	listener := l.listener(id)
	to := l.member(listener)
	// The packet itself is not kept: it may have a MiB.
	qos, packet, bytes := p.QoS, p.PacketID, len(p.Payload)
	done := func() {
		for _, late := range l.window.leave(&s.counts, qos, bytes, listener) {
			if deliver := l.member(late).Deliver; deliver != nil {
				deliver(agent.CheckRequested{})
			}
		}
		// PUBACK says that the device has handled the message, not that it is on the
		// disk. What must not be lost is saved before this point, since the device saves
		// before it goes on; of the rest (a package before its download) the device asks
		// the platform again after a restart. So nothing needs a second delivery.
		if qos > 0 && !s.inflight.acksStopped() {
			l.acknowledge(s, packet, packets.PubackSuccess)
		}
	}
	switch {
	case !ok || direction != wire.Down || to.Deliver == nil:
		l.complaints.say(l.log, "a message on an unknown topic is ignored", "topic", link.Clip(p.Topic))
	case p.Retain:
		// Platforms retain nothing, and what has been retained once is not news.
		l.complaints.say(l.log, "a retained message is ignored", "kind", kind)
	case len(p.Payload) > ota.MaxPayload:
		l.complaints.say(l.log, "a message is too large and is ignored", "kind", kind, "bytes", len(p.Payload))
	default:
		l.deliver(to, kind, p.Payload)
		to.WhenHandled(done)
		return
	}
	done()
}

// deliver hands a message to a device, or what is known of one that it cannot
// accept.
func (l *Session) deliver(to link.Device, kind string, payload []byte) {
	message, err := l.cfg.Decode(kind, payload)
	if err == nil {
		to.Deliver(agent.Received{Message: message})
		return
	}
	l.complaints.say(l.log, "a malformed message is dropped", "kind", kind, "error", link.Clip(err.Error()))
	var invalid *wire.Invalid
	switch {
	case !errors.As(err, &invalid) || invalid.Plan == "":
	case invalid.Kind == wire.KindPlan:
		to.Deliver(agent.BadPlan{Plan: invalid.Plan, Attempt: invalid.Attempt, Detail: link.Clip(err.Error())})
	case invalid.Kind == wire.KindPackage && invalid.Component != "":
		to.Deliver(agent.BadPackage{Plan: invalid.Plan, Attempt: invalid.Attempt, Component: invalid.Component,
			Detail: link.Clip(err.Error())})
	}
}

// complaints logs what others do wrong, once a second at most: a broken or
// hostile platform must not fill the device's log.
type complaints struct {
	mu     sync.Mutex
	last   time.Time
	unsaid int
}

func (c *complaints) say(log *slog.Logger, text string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.last) >= time.Second {
		log.Warn(text, append(args, "unsaid", c.unsaid)...)
		c.last, c.unsaid = now, 0
		return
	}
	c.unsaid++
}
