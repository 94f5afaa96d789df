package platform

import (
	"errors"
	"fmt"

	"otafleet/internal/address"
	"otafleet/internal/ota"
	"otafleet/simulator/platform/broker"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/objectstore"
)

// ErrDown is what a command gets while the platform is killed. It may be given
// again when the platform is back.
var ErrDown = errors.New("the platform is down")

var errNotOwn = errors.New("it is not a part of the fake platform")

// KillBroker cuts every connection with the embedded broker and lets it forget
// every session, until RestartBroker. Its address is kept meanwhile. A
// external broker cannot be killed.
func (s *Service) KillBroker() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.embedded == nil {
		return fmt.Errorf("cannot kill the broker: %w", errNotOwn)
	}
	return s.embedded.Close()
}

// RestartBroker starts the embedded broker again, at its address. If it cannot
// be started, Run ends with the reason.
func (s *Service) RestartBroker() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh, err := broker.New(s.brokerConfig(s.embedded.Addr().String()))
	if err != nil {
		s.serving.fail(err)
		return
	}
	s.embedded, s.pipe = fresh, fresh
	if !s.serving.start(fresh.Run) {
		_ = fresh.Close()
	}
}

// TakeSession ends a device's connection with the embedded broker as another client
// does that has the device's name and leaves again. What the broker keeps for the
// device stays. A device without a connection notices nothing.
func (s *Service) TakeSession(id ota.Identity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.embedded == nil {
		return fmt.Errorf("cannot take a session over: the broker: %w", errNotOwn)
	}
	s.embedded.TakeOver(id.ClientID())
	return nil
}

// KillStore cuts every download from the embedded object store, until
// RestartStore. What is stored stays. An external store cannot be killed.
func (s *Service) KillStore() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return fmt.Errorf("cannot kill the object store: %w", errNotOwn)
	}
	return s.server.Close()
}

// RestartStore serves what is stored again, at its address. If it cannot be
// served, Run ends with the reason.
func (s *Service) RestartStore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh, err := objectstore.Listen(objectstore.ServerConfig{Address: s.server.Addr().String(), Handler: s.store})
	if err != nil {
		s.serving.fail(err)
		return
	}
	s.server = fresh
	if !s.serving.start(fresh.Run) {
		_ = fresh.Close()
	}
}

// Kill stops the platform, but not its broker and its store, until Restart. What
// devices say meanwhile the broker keeps for it.
func (s *Service) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
}

// Restart lets the platform go on from what it has stored, as if it had stored
// everything.
func (s *Service) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
	missed := s.missed
	s.missed = nil
	for _, m := range missed {
		s.take(m)
	}
	s.rearm()
}

// RevokeAddresses lets the store refuse every package address that has been
// issued: they are signed with a key that it accepts no longer. An external store
// knows only one key.
func (s *Service) RevokeAddresses() error {
	if s.store == nil {
		return fmt.Errorf("cannot revoke addresses: the object store: %w", errNotOwn)
	}
	fresh := objectstore.Credentials{AccessKey: accessKey, SecretKey: secret()}
	s.mu.Lock()
	defer s.mu.Unlock() // no address is issued between the two
	s.catalog.credentials.Store(&fresh)
	return s.store.Accept(fresh)
}

// Hear takes a message as if a device had sent it, from those that have no session
// with the broker.
func (s *Service) Hear(id ota.Identity, message ota.Up) {
	s.listen(engine.Message{Device: id, Message: message})
}

// listen takes a message, or keeps it while the platform is down.
func (s *Service) listen(m engine.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.down:
		s.take(m)
		s.rearm()
	case len(s.missed) < maxWaiting:
		s.missed = append(s.missed, m)
	}
}

// keepAddress keeps the address of a part that may be killed and restarted; empty
// means a free port of the loopback. One that cannot be kept is given to the part
// all the same, which will say what is wrong with it.
func keepAddress(want string) (kept address.Kept, listen string) {
	if want == "" {
		want = "127.0.0.1:0"
	}
	kept, err := address.Keep(want)
	if err != nil {
		return kept, want
	}
	return kept, kept.String()
}
