package platform

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
	"github.com/eclipse/paho.golang/paho/store/memory"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

const (
	clientName     = "ota-sim-platform" // what its client id begins with
	reconnectPause = time.Second
	dialTimeout    = 10 * time.Second
	// sessionKept is how long, in seconds, the broker keeps what devices send
	// while the fake platform is away.
	sessionKept = 3600
	// maxWaiting bounds what waits for the broker, in messages. What is dropped
	// is sent again when the device asks or comes back.
	maxWaiting = 200_000
	// maxInFlight is how many messages either side may send ahead of their
	// acknowledgement. What comes faster waits at the broker, which is made for
	// that: it would only take memory here.
	maxInFlight = 1000
)

// window is paho's session with a limit on what is sent ahead of its
// acknowledgement, however much the broker allows.
type window struct{ *state.State }

// ConAckReceived begins the session on a connection.
func (w window) ConAckReceived(conn io.Writer, connect *packets.Connect, ack *packets.Connack) error {
	limit := uint16(maxInFlight)
	if theirs := ack.Properties.ReceiveMaximum; theirs == nil || *theirs > limit {
		ack.Properties.ReceiveMaximum = &limit
	}
	return w.State.ConAckReceived(conn, connect, ack)
}

// session is the fake platform's connection to an external broker.
type session struct {
	// Immutable.
	address  string
	secure   *tls.Config // nil without TLS
	url      string
	user     string
	password string
	client   string // client id
	filter   string
	handle   func(topic string, payload []byte)
	log      *slog.Logger
	wake     chan struct{}
	state    window        // what is not acknowledged, over all connections
	sent     *memory.Store // of state: what was sent and is not acknowledged
	opened   chan struct{} // closed when the first connection is up
	refused  chan error    // takes why the broker does not let the fake platform in

	// Owned by Run.
	fresh bool // there was no connection yet
	first sync.Once

	mu      sync.Mutex // guards the following
	queue   []*paho.Publish
	sending bool // a message is neither in the queue nor sent
}

func newSession(config Config, topics wire.Topics, handle func(string, []byte)) (*session, error) {
	u, err := url.Parse(config.BrokerURL)
	if err != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Host == "" {
		return nil, fmt.Errorf("cannot use the broker %q: want mqtt://host:port or mqtts://host:port", config.BrokerURL)
	}
	port, secure := "1883", (*tls.Config)(nil)
	if u.Scheme == "mqtts" {
		port, secure = "8883", verified(config.BrokerTLS, u.Hostname())
	}
	if u.Port() != "" {
		port = u.Port()
	}
	sent := memory.New()
	return &session{address: net.JoinHostPort(u.Hostname(), port), secure: secure, sent: sent,
		url: config.BrokerURL, user: config.BrokerUser, password: config.BrokerPassword,
		client: clientID(topics), filter: topics.PlatformFilter(), handle: handle, log: config.Logger,
		wake: make(chan struct{}, 1), state: window{state.New(sent, memory.New())},
		opened: make(chan struct{}), refused: make(chan error, 1), fresh: true}, nil
}

// clientID names the fake platform at an external broker. A broker ends the older of two
// sessions of one name, so it has the prefix of the topics in it: two platforms that
// share a broker by prefixes do not throw each other out, and one that is started
// again takes the place of its last life.
func clientID(topics wire.Topics) string {
	if topics.Prefix == "" || topics.Prefix == wire.DefaultPrefix {
		return clientName
	}
	return clientName + "-" + strings.ReplaceAll(topics.Prefix, "/", ":")
}

// verified is a TLS configuration for a broker of that name.
func verified(given *tls.Config, host string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if given != nil {
		c = given.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c
}

// URL is the broker's address.
func (s *session) URL() string { return s.url }

// Publish queues a message; it leaves when the session is up.
func (s *session) Publish(topic string, payload []byte, expiry time.Duration) error {
	p := &paho.Publish{Topic: topic, QoS: 1, Payload: payload,
		Properties: &paho.PublishProperties{ContentType: wire.ContentType}}
	if expiry > 0 {
		seconds := uint32(min(expiry/time.Second, 1<<32-1))
		p.Properties.MessageExpiry = &seconds
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxWaiting {
		return errors.New("too many messages wait for the broker")
	}
	s.queue = append(s.queue, p)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// Owes reports whether there is a message that the broker has not acknowledged;
// it may be to another device.
func (s *session) Owes(ota.Identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent, err := s.sent.List()
	return s.sending || len(s.queue) > 0 || len(sent) > 0 || err != nil
}

// Run keeps the session until ctx ends.
func (s *session) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.serve(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("no session with the broker; trying again", "broker", s.url, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(reconnectPause):
		}
	}
	return nil
}

// serve holds one connection.
func (s *session) serve(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	lost := make(chan error, 1)
	fail := func(err error) {
		select {
		case lost <- err:
		default:
		}
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn: conn, Session: s.state,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			s.handle(p.Packet.Topic, p.Packet.Payload)
			return true, nil
		}},
		OnClientError:      fail,
		OnServerDisconnect: func(d *paho.Disconnect) { fail(fmt.Errorf("the broker disconnected: reason %d", d.ReasonCode)) },
	})
	if err := s.open(ctx, client); err != nil {
		return err
	}
	s.log.Info("connected to the broker", "broker", s.url)
	err = s.pump(ctx, client, lost)
	_ = client.Disconnect(&paho.Disconnect{})
	return err
}

// dial opens a connection, secured if the broker wants that.
func (s *session) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil || s.secure == nil {
		return conn, err
	}
	secure := tls.Client(conn, s.secure)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot secure the connection: %w", err), conn.Close())
	}
	return packets.NewThreadSafeConn(secure), nil // paho takes several writes for a packet
}

func (s *session) open(ctx context.Context, client *paho.Client) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	expiry := uint32(sessionKept)
	// A fake platform that was just made knows nothing of what devices told another.
	most := uint16(maxInFlight)
	connect := &paho.Connect{ClientID: s.client, CleanStart: s.fresh, KeepAlive: 30,
		Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry, ReceiveMaximum: &most}}
	if s.user != "" {
		connect.Username, connect.UsernameFlag = s.user, true
		connect.Password, connect.PasswordFlag = []byte(s.password), s.password != ""
	}
	if answer, err := client.Connect(ctx, connect); err != nil {
		if answer != nil && answer.ReasonCode >= 0x80 {
			s.deny(fmt.Errorf("the broker refuses the platform: %w", err))
		}
		return err
	}
	s.fresh = false
	_, err := client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: s.filter, QoS: 1}}})
	if err != nil {
		s.deny(fmt.Errorf("the broker refuses the platform the topics %s: %w", s.filter, err))
		return err
	}
	s.first.Do(func() { close(s.opened) })
	return nil
}

// deny tells whoever waits for the first connection that there will be none.
func (s *session) deny(err error) {
	select {
	case s.refused <- err:
	default:
	}
}

// pump sends what waits, until the connection is lost or ctx ends.
func (s *session) pump(ctx context.Context, client *paho.Client, lost <-chan error) error {
	for {
		p := s.take()
		if p == nil {
			select {
			case <-ctx.Done():
				return nil
			case err := <-lost:
				return err
			case <-s.wake:
			}
			continue
		}
		if _, err := client.PublishWithOptions(ctx, p,
			paho.PublishOptions{Method: paho.PublishMethod_AsyncSend}); err != nil {
			s.putBack(p)
			return err
		}
		s.left()
	}
}

// take takes the message that has waited longest, to send it; nil if none waits.
func (s *session) take() *paho.Publish {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil
		return nil
	}
	p := s.queue[0]
	s.queue[0], s.queue = nil, s.queue[1:]
	s.sending = true
	return p
}

// left notes that the message that was taken has been sent.
func (s *session) left() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = false
}

// putBack lets a message that could not be sent wait for the next connection.
func (s *session) putBack(p *paho.Publish) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append([]*paho.Publish{p}, s.queue...)
	s.sending = false
}
