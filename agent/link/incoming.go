package link

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/internal/wire"
)

// receive hands on a message, and acknowledges it once it has been handled. What
// cannot be understood is acknowledged and dropped: sent again it would be the
// same. An error is a broker that sends more than it may.
func (l *Link) receive(s *live, p *packets.Publish) error {
	if s.inflight.hushed() {
		return nil
	}
	switch waiting := s.unhandled.Add(1); {
	case waiting <= int32(l.cfg.ReceiveMaximum):
	case p.QoS > 0:
		return fmt.Errorf("the broker sent more than %d messages ahead of their acknowledgement", l.cfg.ReceiveMaximum)
	default:
		s.unhandled.Add(-1)
		l.complaints.say(l.log, "too many messages of QoS 0 wait; one is dropped")
		return nil
	}
	to := l.handOn(p)
	to.after(func() {
		s.unhandled.Add(-1)
		if p.QoS > 0 && !s.inflight.hushed() {
			// An error closes the connection.
			_ = s.conn.send(&packets.Puback{PacketID: p.PacketID, Properties: &packets.Properties{}})
		}
	})
	return nil
}

// handOn delivers a message, and returns who has it.
func (l *Link) handOn(p *packets.Publish) Member {
	id, direction, kind, ok := l.topics.Parse(p.Topic)
	to := l.listener(id)
	switch {
	case !ok || direction != wire.Down || to.Deliver == nil:
		l.complaints.say(l.log, "a message on a foreign topic is ignored", "topic", clip(p.Topic))
		return Member{}
	case p.Retain:
		// Platforms retain nothing, and what has been retained once is not news.
		l.complaints.say(l.log, "a retained message is ignored", "kind", kind)
		return Member{}
	case len(p.Payload) > ota.MaxPayload:
		l.complaints.say(l.log, "a message is too large and is ignored", "kind", kind, "bytes", len(p.Payload))
		return Member{}
	}
	message, err := wire.DecodeDown(kind, p.Payload)
	if err == nil {
		to.Deliver(agent.Received{Message: message})
		return to
	}
	l.complaints.say(l.log, "a malformed message is dropped", "kind", kind, "error", clip(err.Error()))
	var invalid *wire.Invalid
	switch {
	case !errors.As(err, &invalid) || invalid.Plan == "":
	case invalid.Kind == wire.KindPlan:
		to.Deliver(agent.BadPlan{Plan: invalid.Plan, Attempt: invalid.Attempt, Detail: clip(err.Error())})
	case invalid.Kind == wire.KindPackage && invalid.Component != "":
		to.Deliver(agent.BadPackage{Plan: invalid.Plan, Attempt: invalid.Attempt, Component: invalid.Component, Detail: clip(err.Error())})
	}
	return to
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

// maxText bounds a foreign text in a log or a message, in bytes.
const maxText = 300

// clip bounds a text of another end, and makes it safe to show.
func clip(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return terminal.Escape(s)
}

// reason gives an error's text without what differs between equal troubles: ports
// of this side ("127.0.0.1:40712->127.0.0.1:53") and the current time of a
// certificate that is not valid.
func reason(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	for before, after, found := strings.Cut(text, "->"); found; before, after, found = strings.Cut(text, "->") {
		text = before[:strings.LastIndexByte(before, ' ')+1] + after
	}
	const now = "current time "
	if before, after, found := strings.Cut(text, now); found {
		_, after, _ = strings.Cut(after, " ")
		text = before + "the current time " + after
	}
	return clip(text)
}
