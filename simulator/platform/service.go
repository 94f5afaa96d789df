package platform

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"otafleet/internal/address"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform/broker"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/objectstore"
)

// DefaultValidity is how long a package address works: the lifetime that real
// platforms give theirs.
const DefaultValidity = engine.URLValidity

// Where the fake platform keeps its packages, and as whom.
const (
	bucket    = "packages"
	accessKey = "ota-sim"
)

// Config says what the fake platform listens on and talks to. The zero value is
// complete: free ports of the loopback, nothing kept.
type Config struct {
	BrokerAddress string // of the embedded broker; empty means a free port of 127.0.0.1
	// BrokerURL is a broker to use instead of the embedded one, mqtt://host:port or
	// mqtts://host:port, with the platform's user name and password.
	BrokerURL      string
	BrokerUser     string
	BrokerPassword string
	BrokerTLS      *tls.Config // for mqtts; nil for the system's authorities
	// Credentials decides on devices' user names and passwords at the embedded
	// broker; nil lets everybody in.
	Credentials func(username, password string) bool
	// Gateways names, by user name, the devices that a gateway speaks for at the
	// embedded broker beside itself, each as <product>.<device>.
	Gateways map[string][]string
	Prefix   string // of the topics; empty means ota/v1
	// MaxAway is how many sessions the embedded broker keeps for devices that are not
	// connected; 0 means any number. One that has ended costs its device nothing but
	// what waited there: the platform sends it again.
	MaxAway int
	// MaxDevices is how many devices the platform remembers; 0 means
	// engine.MaxDevices. The others are answered that there is no plan for them.
	MaxDevices int

	StoreAddress string // of the object store; empty means a free port of 127.0.0.1
	// StoreAdvertised is the host, or host:port, at which devices reach the embedded
	// object store; empty means the address that it listens on, which must be one then.
	StoreAdvertised string
	// Store is an object store to use instead of the embedded one.
	Store *RemoteStore

	// State is a directory in which plans, ledger and packages are kept, so that a
	// platform that is started there again goes on where the last one was; empty
	// keeps nothing. Only one platform can use it at a time.
	State string

	Validity time.Duration // of package addresses; 0 means DefaultValidity
	// Observe hears what happened, in order; nil for none. It is called with
	// the fake platform locked, and must neither keep the facts nor call back.
	Observe func(now time.Time, fact engine.Output)
	Logger  *slog.Logger // nil discards
}

// RemoteStore is an S3-compatible object store beside the fake platform.
type RemoteStore struct {
	URL         string // http://host:port or https://host:port
	Bucket      string
	Credentials objectstore.Credentials
	// DeviceKeys says that devices have keys of their own for the store: they get
	// s3:// addresses instead of presigned ones.
	DeviceKeys bool
}

// pipe carries messages between the fake platform and the devices' broker.
type pipe interface {
	// Publish hands a message over; a message may expire, if expiry is not 0.
	Publish(topic string, payload []byte, expiry time.Duration) error
	// Owes reports whether a message to a device has not arrived.
	Owes(id ota.Identity) bool
	Run(ctx context.Context) error
	URL() string
}

// Service is the fake platform as a running program. Its methods may be called from any goroutine.
type Service struct {
	// Immutable.
	config  Config
	log     *slog.Logger
	topics  wire.Topics
	store   *objectstore.Store // nil with an external store
	catalog catalog
	keeping *keeping // nil without a state directory

	wake      chan struct{} // the time of the next tick has changed
	serving   serving
	uploading sync.Mutex // one package enters or leaves the catalog at a time

	mu       sync.Mutex // guards the following
	engine   *engine.Engine
	pipe     pipe
	embedded *broker.Broker      // nil with an external broker
	server   *objectstore.Server // nil with an external store
	down     bool
	missed   []engine.Message // while down
	diverted map[ota.Identity]func(engine.Output)
	stocked  func(product string) // nil for none
	watches  map[*Watch]struct{}
	closed   bool

	brokerPlace, storePlace address.Kept // of what is embedded
}

// New returns a fake platform that listens. Nothing is answered until Run.
func New(config Config) (*Service, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Validity == 0 {
		config.Validity = DefaultValidity
	}
	s := &Service{config: config, log: config.Logger, topics: wire.Topics{Prefix: config.Prefix},
		wake: make(chan struct{}, 1)}
	if err := s.openState(); err != nil {
		return nil, err
	}
	if config.MaxDevices > 0 {
		s.engine.LimitDevices(config.MaxDevices)
	}
	if err := s.openStore(); err != nil {
		return nil, errors.Join(err, s.closeState())
	}
	err := s.openPackages()
	if err == nil {
		err = s.openPipe()
	}
	if err != nil {
		return nil, errors.Join(err, s.closeStore(), s.closeState())
	}
	return s, nil
}

func (s *Service) openPipe() (err error) {
	if s.config.BrokerURL != "" {
		s.pipe, err = newSession(s.config, s.topics, s.receive)
		return err
	}
	var listen string
	s.brokerPlace, listen = keepAddress(s.config.BrokerAddress)
	if s.embedded, err = broker.New(s.brokerConfig(listen)); err != nil {
		s.brokerPlace.Release()
		return err
	}
	s.pipe = s.embedded
	return nil
}

func (s *Service) brokerConfig(listen string) broker.Config {
	return broker.Config{
		Address: listen, Prefix: s.config.Prefix, Credentials: s.config.Credentials,
		Gateways: s.config.Gateways, MaxAway: s.config.MaxAway, Handle: s.receive, Logger: s.log,
	}
}

func (s *Service) openStore() (err error) {
	if s.config.Store != nil {
		r := s.config.Store
		s.catalog.base, s.catalog.bucket, s.catalog.plain = r.URL, r.Bucket, r.DeviceKeys
		s.catalog.credentials.Store(&r.Credentials)
		s.catalog.root, err = s.objectRoot()
		return err
	}
	credentials := objectstore.Credentials{AccessKey: accessKey, SecretKey: secret()}
	if s.store, err = objectstore.New(objectstore.Config{Credentials: credentials}); err != nil {
		return err
	}
	if err := checkAdvertised(s.config.StoreAddress, s.config.StoreAdvertised); err != nil {
		return err
	}
	var listen string
	s.storePlace, listen = keepAddress(s.config.StoreAddress)
	if s.server, err = objectstore.Listen(objectstore.ServerConfig{Address: listen, Handler: s.store}); err != nil {
		s.storePlace.Release()
		return err
	}
	s.catalog.base, s.catalog.bucket, s.catalog.store = advertised(s.server, s.config.StoreAdvertised), bucket, s.store
	s.catalog.credentials.Store(&credentials)
	return nil
}

func (s *Service) closeStore() error {
	s.storePlace.Release()
	if s.server == nil {
		return nil
	}
	return s.server.Close()
}

// Close lets go of a fake platform that is not run, and does nothing to one whose Run
// has returned.
func (s *Service) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	var err error
	if !again {
		err = s.closeState()
		s.clearStore()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.brokerPlace.Release()
	if s.embedded != nil {
		err = errors.Join(err, s.embedded.Close())
	}
	return errors.Join(err, s.closeStore())
}

// secret makes a key that no other run has.
func secret() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// BrokerURL is where devices connect.
func (s *Service) BrokerURL() string { return s.carrier().URL() }

// carrier is what carries messages now.
func (s *Service) carrier() pipe {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pipe
}

// StoreURL is where packages are fetched from.
func (s *Service) StoreURL() string { return s.catalog.base }

// Hears waits until the fake platform hears what devices say, or ctx ends: what they
// tell an external broker before that is lost. Run must have been called.
func (s *Service) Hears(ctx context.Context) error {
	session, others := s.carrier().(*session)
	if !others {
		return nil
	}
	select {
	case <-session.opened:
		return nil
	case err := <-session.refused:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run serves until ctx ends, or until the broker or the store fails.
func (s *Service) Run(parent context.Context) error {
	s.mu.Lock() // no part is replaced between the two
	ctx := s.serving.begin(parent)
	s.serving.start(s.pipe.Run)
	if s.server != nil {
		s.serving.start(s.server.Run)
	}
	s.serving.start(s.keep)
	s.mu.Unlock()
	s.tick(ctx)
	return errors.Join(s.serving.end(parent), s.Close())
}

// tick calls the engine whenever it asks for it.
func (s *Service) tick(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s.mu.Lock()
		next := s.engine.NextTick()
		if s.down {
			next = time.Time{}
		}
		s.mu.Unlock()
		timer.Reset(time.Hour)
		if !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
			s.advance()
		}
	}
}

// receive takes one message of a device.
func (s *Service) receive(topic string, payload []byte) {
	id, _, kind, ok := s.topics.Parse(topic)
	if !ok {
		return
	}
	message, err := wire.DecodeUp(kind, payload)
	if err != nil {
		s.log.Warn("cannot read a device's message", "device", id.Device, "kind", kind, "error", err)
		return
	}
	s.listen(engine.Message{Device: id, Message: message})
}

// advance lets the engine look at the time.
func (s *Service) advance() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.down {
		s.take(engine.Tick{})
	}
}

// take hands the engine an input; the caller holds mu.
func (s *Service) take(in engine.Input) {
	now := time.Now()
	s.execute(now, s.engine.Handle(now, in))
}

// Command carries out an order of the operator, or says why it may not. When it
// returns, what was ordered is kept, if anything is.
func (s *Service) Command(cmd engine.Command) error {
	err := s.order(cmd)
	if errors.Is(err, ErrDown) {
		return err
	}
	return errors.Join(err, s.flush())
}

func (s *Service) order(cmd engine.Command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return ErrDown
	}
	now := time.Now()
	outputs, err := s.engine.Command(now, cmd)
	s.execute(now, outputs)
	s.rearm()
	return err
}

// View lets look read the engine's views while nothing else happens.
func (s *Service) View(look func(*engine.Engine)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	look(s.engine)
}

// rearm lets the ticker look at its next time again.
func (s *Service) rearm() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// execute shows what happened and sends what the engine wants sent, as soon as it
// may leave; the caller holds mu.
func (s *Service) execute(now time.Time, outputs []engine.Output) {
	for _, out := range outputs {
		if s.keeping != nil {
			s.hold(now, out)
		} else {
			s.dispatch(now, out)
		}
		if s.config.Observe != nil {
			s.config.Observe(now, out)
		}
		s.show(now, out)
	}
	if s.keeping != nil {
		s.keeping.changed()
	}
}

// dispatch sends what is to be sent; the caller holds mu.
func (s *Service) dispatch(now time.Time, out engine.Output) {
	switch out := out.(type) {
	case engine.Send:
		if take := s.diverted[out.Device]; take != nil {
			take(out)
			return
		}
		s.send(now, out.Device, out.Message)
	case engine.Issue:
		if take := s.diverted[out.Device]; take != nil {
			take(out)
			return
		}
		s.issue(now, out)
	case engine.TurnedAway:
		s.log.Warn("a new device is not taken in: the platform remembers as many as it may",
			"device", out.Device.Device, "product", out.Device.Product, "messages", out.Messages, "limit", out.MaxDevices)
	}
}

func (s *Service) send(now time.Time, id ota.Identity, message ota.Down) {
	kind, payload, err := wire.EncodeDown(message)
	if err != nil {
		s.log.Error("cannot encode a message", "device", id.Device, "error", err)
		return
	}
	var expiry time.Duration
	if plan, ok := message.(*ota.Plan); ok {
		expiry = max(time.Second, plan.Ends.Sub(now))
	}
	if err := s.pipe.Publish(s.topics.Down(id, kind), payload, expiry); err != nil {
		s.log.Debug("cannot publish", "device", id.Device, "kind", kind, "error", err)
	}
}

// issue signs fresh addresses for one device.
func (s *Service) issue(now time.Time, out engine.Issue) {
	message, err := s.catalog.message(now, s.config.Validity, out)
	if err != nil {
		s.log.Error("cannot issue a package address", "device", out.Device.Device, "component", out.Component, "error", err)
		return
	}
	s.send(now, out.Device, message)
}
