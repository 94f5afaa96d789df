package quecthing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/broker"
	"otafleet/simulator/platform/engine"
)

const (
	// maxDevices bounds what anybody can have remembered here.
	maxDevices = 1 << 20
	// workers is how many devices are told at a time what a plan or a clock has caused.
	workers = 8
	// beat is how often devices are looked at that something is due for.
	beat = time.Second
)

// Server is a listening server for devices.
type Server struct {
	// Immutable once it runs.
	config   Config
	log      *slog.Logger
	broker   *broker.Plain
	platform *platform.Service
	wake     chan struct{} // something waits

	mu      sync.Mutex // guards the following
	seats   map[string]*seat
	waiting []*seat // that the engine has said something to
}

// Listen returns a server that listens at host:port, also before there is a platform.
// Devices wait until Run serves them.
func Listen(address string, config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("cannot serve quecthing devices: %w", err)
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	listening, err := broker.Listen(address, config.Logger)
	if err != nil {
		return nil, fmt.Errorf("cannot serve quecthing devices: %w", err)
	}
	return &Server{
		config: config, log: config.Logger, broker: listening, wake: make(chan struct{}, 1), seats: map[string]*seat{},
	}, nil
}

// URL is the address that devices are configured with.
func (s *Server) URL() string { return "mqtt://" + s.Addr().String() }

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.broker.Addr() }

// Close stops listening, if Run has not been called or has returned.
func (s *Server) Close() error { return s.broker.Close() }

// Run serves the devices of a platform until ctx ends, and then cuts every connection.
func (s *Server) Run(ctx context.Context, shown *platform.Service) error {
	s.platform = shown
	shown.Stocked(s.rename)
	defer shown.Stocked(nil)
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	called := make(chan *seat)
	work.Go(func() { s.attend(ctx, called) })
	for range workers {
		work.Go(func() {
			for one := range called {
				one.look()
			}
		})
	}
	defer context.AfterFunc(ctx, func() { _ = s.broker.Close() })()
	return s.broker.Run(handler{s})
}

// attend hands out the devices that something waits for, until ctx ends.
func (s *Server) attend(ctx context.Context, called chan<- *seat) {
	defer close(called)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case now := <-ticker.C:
			s.collect(now)
		}
		for _, one := range s.take() {
			select {
			case called <- one:
			case <-ctx.Done():
				return
			}
		}
	}
}

// collect lets those wait that something is due for.
func (s *Server) collect(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.seats {
		if one.pending.due(now) {
			s.waiting = append(s.waiting, one)
		}
	}
}

// rename has the modules of a product say what they run under the names that its
// packages have: a plan that follows at once must find them.
func (s *Server) rename(product string) {
	var all []*seat
	s.mu.Lock()
	for _, one := range s.seats {
		if one.id.Product == product {
			all = append(all, one)
		}
	}
	s.mu.Unlock()
	for _, one := range all {
		one.look()
	}
}

func (s *Server) take() []*seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.waiting
	s.waiting = nil
	return all
}

// call has a device looked at.
func (s *Server) call(one *seat) {
	s.mu.Lock()
	s.waiting = append(s.waiting, one)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// look does what is due for a device.
func (s *seat) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.converse((*Device).Tick); err != nil && !errors.Is(err, platform.ErrDown) {
		s.server.log.Error("cannot speak with a device", "device", s.id.Device, "error", err)
	}
}

// address finds the files that the engine issues.
func (s *Server) address(out engine.Issue) (Address, error) {
	_, files, err := s.platform.Files(out.Package)
	if err != nil {
		return Address{}, err
	}
	message, err := s.platform.Message(out)
	if err != nil {
		return Address{}, err
	}
	a := Address{Plan: out.Plan, Attempt: out.Attempt, Component: out.Component, Files: files}
	for _, f := range message.Files {
		a.URLs = append(a.URLs, f.URLs[0])
	}
	return a, nil
}

// products are those that the platform has packages for.
func (s *Server) products() (all []string) {
	s.platform.View(func(e *engine.Engine) {
		for _, p := range e.Packages() {
			if !slices.Contains(all, p.Product) {
				all = append(all, p.Product)
			}
		}
	})
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // p10 is no p1 with a device 0…
	return all
}

// seat finds a device's place, or gives it one; nil if there is none for it.
func (s *Server) seat(client string, l login) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.seats[client]
	if one == nil && len(s.seats) < maxDevices {
		one = &seat{server: s, client: strings.Clone(client), id: l.id, device: NewDevice(l.id, s.config.Patience)}
		s.seats[one.client] = one
	}
	if one != nil && one.id != l.id {
		return nil // two products' devices have one client id
	}
	return one
}

// find finds a device's place.
func (s *Server) find(client string) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seats[client]
}

// handler is the server as its broker sees it.
type handler struct{ *Server }

// Login lets devices in by their passwords.
func (s handler) Login(client, password string) broker.Answer {
	l, err := s.config.check(client, password, s.products)
	if err != nil {
		s.log.Info("connection refused", "client", fmt.Sprintf("%.140q", client), "error", err)
		if errors.Is(err, errProduct) && len(s.config.Products) == 0 {
			return broker.HangUp // it may become known, and a refusal would cost the device its secret
		}
		return broker.Refuse
	}
	one := s.seat(client, l)
	if one == nil {
		return broker.HangUp
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	one.login = l
	return broker.Admit
}

// Hears lets a device hear what is for itself.
func (s handler) Hears(client, filter string) bool { return filter == codec.Filter(client) }

// Subscribed begins the conversation.
func (s handler) Subscribed(p *broker.Peer) {
	one := s.find(p.ID)
	one.mu.Lock()
	defer one.mu.Unlock()
	one.peer, one.cipher, one.sealed = p, nil, false
	s.platform.Divert(one.id, func(out engine.Output) {
		one.pending.add(out)
		s.call(one)
	})
	err := one.converse(func(d *Device, t *platform.Talk) []codec.Frame {
		d.Connected(t)
		return nil
	})
	if err == nil {
		err = one.welcome()
	}
	if err != nil {
		p.Cut() // it comes again
	}
}

// welcome gives a device the secrets that it has asked for.
func (s *seat) welcome() error {
	if s.login.first {
		secret := codec.Items{codec.Text(codec.DeviceSecret, s.login.secret)}
		if err := s.send(codec.Sys, s.device.Configure(secret)); err != nil {
			return err
		}
	}
	if !s.login.session {
		return nil
	}
	key := make([]byte, codec.SessionKeySize)
	_, _ = rand.Read(key) // never fails
	cipher, err := codec.NewCipher(key)
	if err == nil {
		err = s.send(codec.Sys, s.device.Configure(codec.Items{codec.Raw(codec.SessionKey, key)}))
	}
	s.cipher = cipher
	return err
}

// Take takes a message of a device. What is no frame of its own is taken and dropped.
func (s handler) Take(p *broker.Peer, topic string, payload []byte) error {
	client, channel, ok := codec.ParseUplink(topic)
	if !ok || client != p.ID || channel != codec.Sys && channel != codec.OTA {
		return nil
	}
	one := s.find(p.ID)
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.peer != p {
		return nil // it has not subscribed, and speaks like no device
	}
	f, err := one.read(payload)
	if err != nil {
		s.log.Debug("cannot read a device's message", "device", one.id.Device, "error", err)
		return nil
	}
	return one.converse(func(d *Device, t *platform.Talk) []codec.Frame { return d.Take(t, f) })
}

// Left ends the conversation.
func (s handler) Left(p *broker.Peer) {
	one := s.find(p.ID)
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.peer != p {
		return
	}
	one.peer = nil
	s.platform.Divert(one.id, nil)
	one.pending.take()
	one.pending.rearm(time.Time{})
	if one.device.Left() {
		s.platform.Hear(one.id, &ota.Offline{})
	}
}
