package native

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// overhead is how many bytes a PUBLISH has beside topic and payload, at most.
const overhead = 64

// Refused is a broker's answer to CONNECT or SUBSCRIBE other than yes, or the
// DISCONNECT by which it ends a connection that it had taken.
type Refused struct {
	Code   byte   // MQTT reason code
	Reason string // the broker's words, if it gave any
	ended  bool   // the connection had been taken
	topic  string // of a subscription
}

// Error gives the meaning of the code, and the broker's words.
func (r *Refused) Error() string {
	meaning := refusals[r.Code]
	if meaning == "" {
		meaning = "reason code " + fmt.Sprintf("0x%02x", r.Code)
	}
	what := "refused the connection"
	switch {
	case r.ended:
		what = "ended the connection"
	case r.topic != "":
		what = "refused the subscription of " + r.topic
	}
	text := fmt.Sprintf("the broker %s: %s", what, meaning)
	if r.Reason != "" {
		text += fmt.Sprintf(" (%s)", link.Clip(r.Reason))
	}
	if ask := r.question(); ask != "" {
		text += ": " + ask
	}
	return text
}

// Final reports whether trying again helps nothing before a person has changed
// something: the broker knows the device, or MQTT 5, and does not want it.
func (r *Refused) Final() bool {
	switch r.Code {
	case 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c, 0x9b:
		return !r.ended
	}
	return false
}

// refusals are the reasons that an operator can do something about, by code.
var refusals = [256]string{
	0x84: "it does not speak MQTT 5",
	0x85: "it does not accept the client id",
	0x86: "bad user name or password",
	0x87: "not authorized",
	0x88: "it is not available",
	0x89: "it is busy",
	0x8a: "the device is banned",
	0x8b: "it is shutting down",
	0x8c: "it wants another way of authentication",
	0x8d: "it has heard nothing for too long",
	0x8e: "another client has taken over the session: do two devices have one identity?",
	0x93: "more messages came than it takes ahead of their acknowledgement",
	0x95: "a packet was too large for it",
	0x97: "a quota is exceeded",
	0x98: "an operator has ended it",
	0x9b: "it does not take messages with QoS 1, which reports need",
	0x9f: "connections come too fast",
}

// question is what an operator can look at when a device is not let in; empty for
// other troubles.
func (r *Refused) question() string {
	switch {
	case r.ended:
	case r.topic != "" && r.Code == 0x87:
		return "may this device use its own topics?"
	case r.Code == 0x85:
		return "may it be a product's and a device's key?"
	case r.Code == 0x86:
		return "does it know this device, and is the password its own?"
	case r.Code == 0x87:
		return "may this device connect there?"
	}
	return ""
}

// live is one connection that has been accepted.
type live struct {
	conn      *conn
	inflight  inflight
	keepAlive keepAlive
	maxPacket int                // bytes that the broker takes; 0 without limit
	rejected  map[int]bool       // members that the broker does not let it hear
	counts    counts             // of what has come on it and is not handled yet
	acks      []byte             // wait for a sender; guarded by Session.mu
	early     []*packets.Publish // came before the subscription was accepted
	senders   sync.WaitGroup     // whoever empties the queue
	since     time.Time          // when it was accepted
	lost      func(error)        // called once, when it has ended
}

// connect opens a connection to a broker, up to the accepted subscription.
func (l *Session) connect(ctx context.Context, rawURL string) (*live, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.ConnectTimeout)
	defer cancel()
	packet, err := l.connectPacket()
	if err != nil {
		return nil, err
	}
	c, err := l.dial(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	s := &live{conn: c}
	stop := context.AfterFunc(ctx, func() { s.conn.fail(ctx.Err()) })
	defer stop()
	if err := l.login(s, packet); err != nil {
		s.end(err)
		meaning := "it ends the connection without an answer that MQTT 5 knows: does it speak MQTT 5?"
		if c.secure() != nil { // by TLS 1.3 a server looks at the device's certificate after the handshake
			meaning = "it ends the connection without an answer: does it speak MQTT 5, and take the device's certificate?"
		}
		return nil, fmt.Errorf("cannot log in to the broker: %w", hungUp(err, meaning))
	}
	if err := l.subscribe(s); err != nil {
		s.end(err)
		l.forget(s)
		return nil, fmt.Errorf("cannot subscribe to the device's topics: %w",
			hungUp(err, "the broker ends the connection instead of an answer: may the device use them?"))
	}
	return s, nil
}

// end closes the connection without a goodbye and lets go of everybody who
// waits for it.
func (s *live) end(cause error) {
	s.keepAlive.stop()
	s.conn.fail(cause)
	s.inflight.end()
}

func (l *Session) dial(ctx context.Context, rawURL string) (*conn, error) {
	to, err := parseBroker(rawURL)
	if err != nil {
		return nil, err
	}
	c, err := l.cfg.Dial(ctx, "tcp", to.address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the broker: %w", err)
	}
	if !to.secure {
		return newConn(c, l.cfg.Buffers), nil
	}
	settings, err := l.tls(to.host)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot secure the connection to the broker: %w", err), c.Close())
	}
	secure := tls.Client(c, settings)
	if err := secure.HandshakeContext(ctx); err != nil {
		err = hungUp(err, "it ends the connection: does it speak TLS at this port?")
		return nil, errors.Join(fmt.Errorf("cannot secure the connection to the broker: %w", err), c.Close())
	}
	return newConn(secure, l.cfg.Buffers), nil
}

// hungUp gives the error of a connection that the other end has closed without a
// word a text that says what that means.
func hungUp(err error, meaning string) error {
	for _, silent := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, silent) {
			return fmt.Errorf("%s (%w)", meaning, err)
		}
	}
	return err
}

func (l *Session) tls(host string) (*tls.Config, error) {
	if l.cfg.TLS == nil {
		return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}, nil
	}
	given, err := l.cfg.TLS()
	if err == nil && given.ServerName == "" {
		given = given.Clone()
		given.ServerName = host
	}
	return given, err
}

// login sends CONNECT with the will and waits for the answer.
func (l *Session) login(s *live, packet *packets.Connect) error {
	if err := s.conn.send(packet); err != nil {
		return err
	}
	answer, err := s.conn.read()
	if err != nil {
		return err
	}
	ack, ok := answer.(*packets.Connack)
	switch {
	case !ok:
		return unexpected(answer)
	case ack.ReasonCode >= 0x80:
		return &Refused{Code: ack.ReasonCode, Reason: ack.Properties.ReasonString}
	case ack.Properties.AuthMethod != "":
		return errors.New("the broker wants an unasked authentication")
	case ack.Properties.ReceiveMaximum != nil && *ack.Properties.ReceiveMaximum == 0,
		ack.Properties.MaximumPacketSize != nil && *ack.Properties.MaximumPacketSize == 0:
		return errNothing
	case ack.Properties.MaximumQOS != nil && *ack.Properties.MaximumQOS == 0:
		return &Refused{Code: 0x9b}
	}
	s.accept(ack.Properties, l.cfg.KeepAlive)
	if !l.takesReports(s) {
		return fmt.Errorf("it takes packets of at most %d bytes, and no report fits: raise its limit", s.maxPacket)
	}
	return nil
}

// takesReports reports whether the shortest report that there can be is not too
// long for the broker. Without any the platform would hear nothing of a device that
// says it is connected.
func (l *Session) takesReports(s *live) bool {
	if s.maxPacket == 0 {
		return true
	}
	kind, payload, err := wire.EncodeUp(&ota.Report{Time: time.Unix(0, 0), Plan: "p", Attempt: 1, Seq: 1, Component: "c",
		Status:  ota.UpgradeFailed,
		Version: "1", Failure: &ota.Failure{Code: ota.Internal}})
	return err == nil && s.excess(l.topics.Up(l.cfg.Identity, kind), payload) == 0
}

// errNothing is a protocol error (MQTT 5, 3.2.2.3.3 and 3.2.2.3.6).
var errNothing = errors.New("the broker announces that it takes no message at all, which MQTT forbids")

// accept takes what the broker says of itself. It may set a shorter keep-alive than
// was asked for, in seconds; a longer one and none (0) leave ours, because it also
// finds out whether the broker is there.
func (s *live) accept(p *packets.Properties, interval time.Duration) {
	credit := 65535 // MQTT's value for a broker that says nothing
	if p.ReceiveMaximum != nil {
		credit = int(*p.ReceiveMaximum)
	}
	if p.MaximumPacketSize != nil {
		s.maxPacket = int(*p.MaximumPacketSize)
	}
	if p.ServerKeepAlive != nil && *p.ServerKeepAlive > 0 {
		interval = min(interval, time.Duration(*p.ServerKeepAlive)*time.Second)
	}
	s.inflight.begin(credit)
	s.keepAlive.of, s.keepAlive.interval = s, interval
	s.keepAlive.begin()
}

func (l *Session) connectPacket() (*packets.Connect, error) {
	expiry := uint32(l.cfg.SessionExpiry / time.Second)
	maxPacket, places := uint32(ota.MaxPacket), uint16(l.cfg.places())
	kind, payload, err := wire.EncodeUp(&ota.Offline{})
	if err != nil {
		return nil, fmt.Errorf("cannot encode the will: %w", err)
	}
	packet := &packets.Connect{
		ProtocolName:    "MQTT",
		ProtocolVersion: 5,
		ClientID:        l.cfg.Identity.ClientID(),
		KeepAlive:       uint16(l.cfg.KeepAlive / time.Second),
		Username:        l.cfg.Username,
		UsernameFlag:    l.cfg.Username != "",
		Properties: &packets.Properties{
			SessionExpiryInterval: &expiry,
			ReceiveMaximum:        &places,
			MaximumPacketSize:     &maxPacket,
		},
		WillFlag:       true,
		WillTopic:      l.topics.Up(l.cfg.Identity, kind),
		WillMessage:    payload,
		WillQOS:        wire.QoS(kind),
		WillProperties: &packets.Properties{ContentType: wire.ContentType},
	}
	if l.cfg.Password != nil {
		if packet.Password, err = l.cfg.Password(); err != nil {
			return nil, fmt.Errorf("cannot read the broker's password: %w", err)
		}
		packet.PasswordFlag = true
	}
	return packet, nil
}

// subscription is the identifier of SUBSCRIBE, the first packet that has one.
const subscription = 1

// noRetained asks the broker to send no retained messages at the subscription.
const noRetained = 2

// subscribe asks for the topics of the device and of its members, and waits for
// the answer. A broker that has kept the session may send messages before it.
func (l *Session) subscribe(s *live) error {
	subscribe := &packets.Subscribe{PacketID: subscription, Properties: &packets.Properties{},
		Subscriptions: []packets.SubOptions{{Topic: l.topics.DeviceFilter(l.cfg.Identity), QoS: 1,
			RetainHandling: noRetained}}}
	for i := range l.cfg.Members {
		filter := l.topics.DeviceFilter(l.cfg.Members[i].Identity)
		subscribe.Subscriptions = append(subscribe.Subscriptions,
			packets.SubOptions{Topic: filter, QoS: 1, RetainHandling: noRetained})
	}
	if err := s.conn.send(subscribe); err != nil {
		return err
	}
	for {
		p, err := s.conn.read()
		if err != nil {
			return err
		}
		switch p := p.(type) {
		case *packets.Suback:
			return l.subscribed(s, p, subscribe)
		case *packets.Publish:
			taken, err := l.admit(s, p)
			if err != nil {
				return err
			}
			if taken {
				p.Payload = bytes.Clone(p.Payload) // it is read into again before this is handed on
				s.early = append(s.early, p)
			}
		case *packets.Pingresp:
		default:
			return unexpected(p)
		}
	}
}

// subscribed says what is wrong with the answer to a subscription. The first
// topic is the device's own, the others are the members'.
func (l *Session) subscribed(s *live, p *packets.Suback, asked *packets.Subscribe) error {
	if len(p.Reasons) != len(asked.Subscriptions) || p.PacketID != asked.PacketID {
		return errors.New("the broker answers a subscription that was not asked for")
	}
	for i, code := range p.Reasons {
		switch {
		case code < 0x80:
		case i == 0:
			return &Refused{Code: code, Reason: p.Properties.ReasonString, topic: asked.Subscriptions[i].Topic}
		default:
			l.refused(s, i-1, code, p.Properties.ReasonString)
		}
	}
	return nil
}

// unexpected is the error for a packet that ends the connection, as a DISCONNECT
// does or one that has no business there.
func unexpected(p packets.Packet) error {
	if d, ok := p.(*packets.Disconnect); ok {
		ended := &Refused{Code: d.ReasonCode, ended: true}
		if d.Properties != nil {
			ended.Reason = d.Properties.ReasonString
		}
		return ended
	}
	return fmt.Errorf("the broker sent a packet out of turn: %T", p)
}
