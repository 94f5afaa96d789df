package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

const (
	goodbyeWithin = 2 * time.Second // for the last messages
	noTimeout     = 24 * time.Hour  // paho's own limit, where a context or the keep-alive is the real one
	overhead      = 64              // bytes of a PUBLISH beside topic and payload, at most
)

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
	client    *paho.Client
	inflight  *inflight
	keepAlive *keepAlive
	lost      chan error    // why it ended; written once or twice, read once
	open      chan struct{} // closed when messages may be delivered
	maxPacket int           // bytes that the broker takes; 0 without limit
}

// connect opens a connection to a broker, up to the accepted subscription.
func (l *Link) connect(ctx context.Context, rawURL string) (*live, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.ConnectTimeout)
	defer cancel()
	packet, err := l.connectPacket()
	if err != nil {
		return nil, err
	}
	raw, err := l.dial(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	c := newConn(raw)
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline) // a connection without deadlines has the context's
	}
	s := l.newLive(c)
	if err := l.login(ctx, s, packet); err != nil {
		c.fail(err)
		return nil, err
	}
	if err := l.subscribe(ctx, s); err != nil {
		s.end(err)
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	return s, nil
}

func (l *Link) newLive(c *conn) *live {
	s := &live{conn: c, lost: make(chan error, 1), open: make(chan struct{})}
	s.inflight = newInflight(func(reason string) {
		l.complaints.say(l.log, "the broker did not take a message", "reason", clip(reason))
	})
	s.keepAlive = &keepAlive{conn: c, session: s.inflight, interval: l.cfg.KeepAlive}
	s.client = paho.NewClient(paho.ClientConfig{
		Conn:          c,
		Session:       s.inflight,
		PingHandler:   s.keepAlive,
		AuthHandler:   noAuthentication{},
		PacketTimeout: noTimeout,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(p paho.PublishReceived) (bool, error) { return l.receive(s, p.Packet), nil },
		},
		OnClientError: s.ended,
		OnServerDisconnect: func(d *paho.Disconnect) {
			s.ended(fmt.Errorf("the broker ended the connection with reason code 0x%02x", d.ReasonCode))
		},
	})
	return s
}

// ended notes why paho has ended the connection. It has stopped by then.
func (s *live) ended(err error) {
	select {
	case s.lost <- s.conn.why(err):
	default:
	}
}

// end closes the connection without a goodbye and waits until paho has stopped,
// so that nothing is delivered afterwards.
func (s *live) end(cause error) {
	s.inflight.hush()
	s.keepAlive.stop()
	s.conn.fail(cause)
	s.release()
	<-s.client.Done()
}

// release lets waiting messages go on, to their delivery or, on a connection
// that is hushed, to nowhere.
func (s *live) release() {
	select {
	case <-s.open:
	default:
		close(s.open)
	}
}

func (l *Link) dial(ctx context.Context, rawURL string) (net.Conn, error) {
	to, err := parseBroker(rawURL)
	if err != nil {
		return nil, err
	}
	c, err := l.cfg.Dial(ctx, "tcp", to.address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the broker: %w", err)
	}
	if !to.secure {
		return c, nil
	}
	secure := tls.Client(c, tlsConfig(l.cfg.TLS, to.host))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot secure the connection to the broker: %w", err), c.Close())
	}
	return secure, nil
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
func (l *Link) login(ctx context.Context, s *live, packet *paho.Connect) error {
	ack, err := s.client.Connect(ctx, packet)
	switch {
	case ack != nil && ack.ReasonCode >= 0x80:
		refused := &Refused{Code: ack.ReasonCode}
		if ack.Properties != nil {
			refused.Reason = ack.Properties.ReasonString
		}
		return refused
	case err != nil:
		return fmt.Errorf("cannot log in to the broker: %w", s.conn.why(err))
	}
	if p := ack.Properties; p != nil {
		if p.MaximumQoS != nil && *p.MaximumQoS == 0 {
			defer s.end(errNoQoS)
			return errNoQoS
		}
		if p.MaximumPacketSize != nil {
			s.maxPacket = int(*p.MaximumPacketSize)
		}
	}
	return nil
}

var errNoQoS = errors.New("the broker does not take messages with QoS 1, which reports need")

func (l *Link) connectPacket() (*paho.Connect, error) {
	expiry := uint32(l.cfg.SessionExpiry / time.Second)
	maxPacket := uint32(ota.MaxPacket)
	kind, payload, err := wire.EncodeUp(&ota.Offline{})
	if err != nil {
		return nil, fmt.Errorf("cannot encode the will: %w", err)
	}
	packet := &paho.Connect{
		ClientID:     l.cfg.Identity.ClientID(),
		KeepAlive:    uint16(l.cfg.KeepAlive / time.Second),
		Username:     l.cfg.Username,
		UsernameFlag: l.cfg.Username != "",
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: &expiry,
			ReceiveMaximum:        &l.cfg.ReceiveMaximum,
			MaximumPacketSize:     &maxPacket,
			RequestProblemInfo:    true,
		},
		WillMessage:    &paho.WillMessage{Topic: l.topics.Up(l.cfg.Identity, kind), Payload: payload, QoS: wire.QoS(kind)},
		WillProperties: &paho.WillProperties{ContentType: wire.ContentType},
	}
	if l.cfg.Password != nil {
		if packet.Password, err = l.cfg.Password(); err != nil {
			return nil, fmt.Errorf("cannot read the broker's password: %w", err)
		}
		packet.PasswordFlag = true
	}
	return packet, nil
}

func (l *Link) subscribe(ctx context.Context, s *live) error {
	_, err := s.client.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: l.topics.DeviceFilter(l.cfg.Identity), QoS: 1}},
	})
	if err != nil {
		return fmt.Errorf("cannot subscribe to the device's topics: %w", s.conn.why(err))
	}
	return nil
}

// noAuthentication stands where paho calls an Auther without looking whether
// there is one. AUTH packets do not get through conn.
type noAuthentication struct{}

func (noAuthentication) Authenticate(a *paho.Auth) *paho.Auth { return a }
func (noAuthentication) Authenticated()                       {}
