package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// overhead is how many bytes a PUBLISH has beside topic and payload, at most.
const overhead = 64

// Refused is a broker's answer to CONNECT other than yes.
type Refused struct {
	Code   byte   // MQTT reason code
	Reason string // the broker's words, if it gave any
}

// Error gives the meaning of the code, and the broker's words.
func (r *Refused) Error() string {
	meaning, ok := refusals[r.Code]
	if !ok {
		meaning = "reason code " + fmt.Sprintf("0x%02x", r.Code)
	}
	if r.Reason != "" {
		return fmt.Sprintf("the broker refused the connection: %s (%s)", meaning, clip(r.Reason))
	}
	return "the broker refused the connection: " + meaning
}

// refusals are the reasons that an operator can do something about.
var refusals = map[byte]string{
	0x84: "it does not speak MQTT 5",
	0x85: "it does not accept the client id",
	0x86: "bad user name or password",
	0x87: "not authorized",
	0x88: "it is not available",
	0x89: "it is busy",
	0x8a: "the device is banned",
	0x97: "a quota is exceeded",
	0x9f: "connections come too fast",
}

// live is one connection that has been accepted.
type live struct {
	conn      *conn
	inflight  inflight
	keepAlive keepAlive
	maxPacket int                // bytes that the broker takes; 0 without limit
	mute      map[int]bool       // members that the broker does not let it hear
	early     []*packets.Publish // came before the subscription was accepted
	senders   sync.WaitGroup     // whoever empties the queue
	since     time.Time          // when it was accepted
	lost      func(error)        // called once, when it has ended
}

// connect opens a connection to a broker, up to the accepted subscription.
func (l *Link) connect(ctx context.Context, rawURL string) (*live, error) {
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
		return nil, fmt.Errorf("cannot log in to the broker: %w", err)
	}
	if err := l.subscribe(s); err != nil {
		s.end(err)
		return nil, fmt.Errorf("cannot subscribe to the device's topics: %w", err)
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

func (l *Link) dial(ctx context.Context, rawURL string) (*conn, error) {
	to, err := parseBroker(rawURL)
	if err != nil {
		return nil, err
	}
	c, err := l.cfg.Dial(ctx, "tcp", to.address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the broker: %w", err)
	}
	if !to.secure {
		return newConn(c), nil
	}
	secure := tls.Client(c, tlsConfig(l.cfg.TLS, to.host))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot secure the connection to the broker: %w", err), c.Close())
	}
	return newConn(secure), nil
}

func tlsConfig(given *tls.Config, host string) *tls.Config {
	switch {
	case given == nil:
		return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	case given.ServerName == "":
		given = given.Clone()
		given.ServerName = host
	}
	return given
}

// login sends CONNECT with the will and waits for the answer.
func (l *Link) login(s *live, packet *packets.Connect) error {
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
		return errors.New("the broker wants an authentication that nobody asked for")
	case ack.Properties.MaximumQOS != nil && *ack.Properties.MaximumQOS == 0:
		return errNoQoS
	}
	s.accept(ack.Properties, l.cfg.KeepAlive)
	return nil
}

var errNoQoS = errors.New("the broker does not take messages with QoS 1, which reports need")

// accept takes what the broker says of itself. It may set another keep-alive than
// was asked for, in seconds; none (0) leaves ours, because it also finds out
// whether the broker is there.
func (s *live) accept(p *packets.Properties, interval time.Duration) {
	credit := 65535 // MQTT's value for a broker that says nothing
	if p.ReceiveMaximum != nil {
		credit = int(*p.ReceiveMaximum)
	}
	if p.MaximumPacketSize != nil {
		s.maxPacket = int(*p.MaximumPacketSize)
	}
	if p.ServerKeepAlive != nil && *p.ServerKeepAlive > 0 {
		interval = time.Duration(*p.ServerKeepAlive) * time.Second
	}
	s.inflight.begin(credit)
	s.keepAlive.conn, s.keepAlive.inflight, s.keepAlive.interval = s.conn, &s.inflight, interval
	s.keepAlive.begin()
}

func (l *Link) connectPacket() (*packets.Connect, error) {
	expiry := uint32(l.cfg.SessionExpiry / time.Second)
	maxPacket := uint32(ota.MaxPacket)
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
			ReceiveMaximum:        &l.cfg.ReceiveMaximum,
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

// subscribe asks for the topics of the device and of its members, and waits for
// the answer. A broker that has kept the session may send messages before it.
func (l *Link) subscribe(s *live) error {
	subscribe := &packets.Subscribe{PacketID: subscription, Properties: &packets.Properties{},
		Subscriptions: []packets.SubOptions{{Topic: l.topics.DeviceFilter(l.cfg.Identity), QoS: 1}}}
	for i := range l.cfg.Members {
		filter := l.topics.DeviceFilter(l.cfg.Members[i].Identity)
		subscribe.Subscriptions = append(subscribe.Subscriptions, packets.SubOptions{Topic: filter, QoS: 1})
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
			if len(s.early) == int(l.cfg.ReceiveMaximum) {
				return fmt.Errorf("the broker sent more than %d messages ahead of their acknowledgement", len(s.early))
			}
			s.early = append(s.early, p)
		case *packets.Pingresp:
		default:
			return unexpected(p)
		}
	}
}

// subscribed says what is wrong with the answer to a subscription. The first
// topic is the device's own, the others are the members'.
func (l *Link) subscribed(s *live, p *packets.Suback, asked *packets.Subscribe) error {
	if len(p.Reasons) != len(asked.Subscriptions) || p.PacketID != asked.PacketID {
		return errors.New("the broker answers a subscription that was not asked for")
	}
	for i, code := range p.Reasons {
		switch {
		case code < 0x80:
		case i == 0:
			return fmt.Errorf("the broker refused %s with reason code 0x%02x (%s)", asked.Subscriptions[i].Topic, code, clip(p.Properties.ReasonString))
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
		return fmt.Errorf("the broker ended the connection with reason code 0x%02x", d.ReasonCode)
	}
	return fmt.Errorf("the broker sent a packet out of turn: %T", p)
}
