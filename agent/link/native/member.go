package native

import (
	"fmt"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// Member is the link of the i-th of Config.Members.
func (l *Session) Member(i int) agent.Link { return memberLink{l, &l.cfg.Members[i].Identity} }

// memberLink sends in the name of a member.
type memberLink struct {
	link *Session
	id   *ota.Identity
}

// Send sends like Link.Send.
func (v memberLink) Send(m ota.Up) { v.link.send(v.id, m) }

// outgoing is a message and in whose name it leaves.
type outgoing struct {
	id      *ota.Identity
	message ota.Up
}

// validateMembers says what keeps the link from speaking for its members.
func (c *Config) validateMembers() []error {
	var problems []error
	if len(c.Members) > link.MaxMembers {
		problems = append(problems, fmt.Errorf("the link speaks for %d other devices, at most %d are possible",
			len(c.Members), link.MaxMembers))
	}
	seen := map[ota.Identity]bool{c.Identity: true}
	for i := range c.Members {
		m := &c.Members[i]
		if !ota.ValidKey(m.Identity.Product) || !ota.ValidKey(m.Identity.Device) {
			problems = append(problems, fmt.Errorf("member %q of product %q: both must be 1 to 64 characters of [A-Za-z0-9_-]",
				m.Identity.Device, m.Identity.Product))
		}
		if seen[m.Identity] {
			problems = append(problems, fmt.Errorf("member %q of product %q is spoken for twice", m.Identity.Device,
				m.Identity.Product))
		}
		seen[m.Identity] = true
		if m.Deliver == nil {
			problems = append(problems, fmt.Errorf("member %q of product %q has no device to deliver to", m.Identity.Device,
				m.Identity.Product))
		}
	}
	return problems
}

// queueLimit is how many messages may wait to be written.
func (c *Config) queueLimit() int { return link.MaxQueue + len(c.Members)*link.MaxMemberQueue }

// deliverAll delivers something to the device and to the members for which it
// speaks.
func (l *Session) deliverAll(s *live, in agent.Input) {
	l.cfg.Deliver(in)
	for i := range l.cfg.Members {
		if !s.rejected[i] {
			l.cfg.Members[i].Deliver(in)
		}
	}
}

// refused notes that the broker does not let the session hear a member. That is
// no reason to leave the others alone: the member stays without a connection
// until the broker thinks better of it at a later connect.
func (l *Session) refused(s *live, member int, code byte, why string) {
	if s.rejected == nil {
		s.rejected = make(map[int]bool)
	}
	s.rejected[member] = true
	id := l.cfg.Members[member].Identity
	l.log.Warn("the broker does not let this device speak for another one", "member", id.Device, "product", id.Product,
		"code", fmt.Sprintf("0x%02x", code), "reason", link.Clip(why))
}

// unknownListener is the listener of an unknown device.
const unknownListener = -1

// listener finds who takes the messages of a device: 0 is the session's own one,
// and i+1 its i-th member.
func (l *Session) listener(id ota.Identity) int {
	if id == l.cfg.Identity {
		return 0
	}
	for i := range l.cfg.Members {
		if l.cfg.Members[i].Identity == id {
			return i + 1
		}
	}
	return unknownListener
}

// member is a listener; the zero Device, which has no device to deliver to, for
// unknownListener.
func (l *Session) member(listener int) link.Device {
	switch listener {
	case unknownListener:
		return link.Device{}
	case 0:
		return link.Device{Identity: l.cfg.Identity, Deliver: l.cfg.Deliver, After: l.cfg.After}
	}
	return l.cfg.Members[listener-1]
}
