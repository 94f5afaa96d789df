package link

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// receive hands on a message and acknowledges it. What cannot be understood is
// acknowledged and dropped: sent again it would be the same.
func (l *Link) receive(s *live, p *packets.Publish) {
	if s.inflight.hushed() {
		return
	}
	l.handOn(p)
	if p.QoS > 0 && !s.inflight.hushed() {
		// An error closes the connection.
		_ = s.conn.send(&packets.Puback{PacketID: p.PacketID, Properties: &packets.Properties{}})
	}
}

func (l *Link) handOn(p *packets.Publish) {
	id, direction, kind, ok := l.topics.Parse(p.Topic)
	deliver := l.listener(id)
	switch {
	case !ok || direction != wire.Down || deliver == nil:
		l.complaints.say(l.log, "a message on a foreign topic is ignored", "topic", clip(p.Topic))
		return
	case len(p.Payload) > ota.MaxPayload:
		l.complaints.say(l.log, "a message is too large and is ignored", "kind", kind, "bytes", len(p.Payload))
		return
	}
	message, err := wire.DecodeDown(kind, p.Payload)
	if err == nil {
		deliver(agent.Received{Message: message})
		return
	}
	l.complaints.say(l.log, "a malformed message is dropped", "kind", kind, "error", clip(err.Error()))
	var invalid *wire.Invalid
	switch {
	case !errors.As(err, &invalid) || invalid.Plan == "":
	case invalid.Kind == wire.KindPlan:
		deliver(agent.BadPlan{Plan: invalid.Plan, Attempt: invalid.Attempt, Detail: clip(err.Error())})
	case invalid.Kind == wire.KindPackage && invalid.Component != "":
		deliver(agent.BadPackage{Plan: invalid.Plan, Attempt: invalid.Attempt, Component: invalid.Component, Detail: clip(err.Error())})
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

// maxText bounds a foreign text in a log or a message, in bytes.
const maxText = 300

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "?")
	}
	return s
}

// reason gives an error's text without what differs between equal troubles: the
// port of this side.
func reason(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	var op *net.OpError
	if errors.As(err, &op) && op.Source != nil {
		text = strings.Replace(text, op.Source.String()+"->", "", 1)
	}
	return clip(text)
}
