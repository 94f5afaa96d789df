package quecthing

import (
	"errors"
	"sync"
	"time"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/broker"
	"otafleet/simulator/platform/engine"
)

// seat is a device at the server: its conversation, and its connection.
type seat struct {
	// Immutable.
	server *Server
	client string
	id     ota.Identity

	mu     sync.Mutex // guards the following: one thing of a device at a time
	device *Device
	login  login
	peer   *broker.Peer  // nil while there is no connection, or no subscription
	cipher *codec.Cipher // nil until there is a session key
	sealed bool          // the device encrypts

	pending pending
}

// pending is what the engine has said to a device and was not passed on yet. It is
// filled with the platform locked, so it has a lock of its own.
type pending struct {
	mu   sync.Mutex
	all  []engine.Output
	next time.Time // when the device wants a Tick
}

func (s *pending) add(out engine.Output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, out)
}

func (s *pending) take() []engine.Output {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

func (s *pending) rearm(next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = next
}

func (s *pending) due(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.next.IsZero() && !now.Before(s.next)
}

// converse has the device say or hear something, and passes on what the engine says to
// that.
func (s *seat) converse(step func(*Device, *platform.Talk) []codec.Frame) error {
	if err := s.step(step); err != nil {
		return err
	}
	for {
		outputs := s.pending.take()
		if len(outputs) == 0 {
			s.pending.rearm(s.device.Next())
			return nil
		}
		for _, out := range outputs {
			if err := s.hear(out); err != nil {
				return err
			}
		}
	}
}

func (s *seat) step(step func(*Device, *platform.Talk) []codec.Frame) error {
	var frames []codec.Frame
	err := s.server.platform.Converse(func(t *platform.Talk) { frames = step(s.device, t) })
	for _, f := range frames {
		err = errors.Join(err, s.send(codec.OTA, f))
	}
	return err
}

// hear passes on what the engine says.
func (s *seat) hear(out engine.Output) error {
	switch out := out.(type) {
	case engine.Send:
		return s.step(func(d *Device, t *platform.Talk) []codec.Frame { return d.Receive(t, out.Message) })
	case engine.Issue:
		address, err := s.server.address(out)
		if err != nil {
			s.server.log.Error("cannot issue a package address", "device", s.id.Device, "component", out.Component, "error", err)
			return nil
		}
		return s.step(func(d *Device, t *platform.Talk) []codec.Frame { return d.Addressed(t, address) })
	}
	return nil
}

// send sends a frame, if the device is there.
func (s *seat) send(channel codec.Channel, f codec.Frame) error {
	if s.peer == nil {
		return nil // the engine says it again when the device is back
	}
	payload, err := f.Encode()
	if err != nil {
		return err
	}
	if s.cipher != nil {
		payload = s.cipher.Seal(payload)
	}
	s.peer.Send(codec.Downlink(s.client, channel), payload)
	return nil
}

// read takes a frame out of a payload. A device goes on in clear until it has its
// session key.
func (s *seat) read(payload []byte) (codec.Frame, error) {
	if s.cipher != nil {
		if plain, err := s.cipher.Open(payload); err == nil {
			if f, err := codec.DecodeFrame(plain); err == nil {
				s.sealed = true
				return f, nil
			}
		}
		if s.sealed {
			return codec.Frame{}, errors.New("it is not encrypted with the session key")
		}
	}
	return codec.DecodeFrame(payload)
}
