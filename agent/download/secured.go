package download

import (
	"crypto/tls"
	"net/http"
	"sync"

	"otafleet/agent/download/policy"
	"otafleet/internal/ota"
)

// secured is a transport whose TLS settings may change: what carries requests is
// made anew when they have.
type secured struct {
	make     func(*tls.Config) *http.Transport
	settings func() (*tls.Config, error)

	mu        sync.Mutex // guards the following
	of        *tls.Config
	transport *http.Transport
}

// RoundTrip sends a request by the settings that hold now.
func (s *secured) RoundTrip(r *http.Request) (*http.Response, error) {
	t, err := s.current()
	if err != nil {
		unreadable := refusef(ota.StorageUnavailable, "this device's certificates for downloads cannot be used: %v", err)
		unreadable.kind = policy.Away // until they are in place again
		return nil, unreadable
	}
	return t.RoundTrip(r)
}

func (s *secured) current() (*http.Transport, error) {
	settings, err := s.settings()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport == nil || settings != s.of {
		if s.transport != nil {
			s.transport.CloseIdleConnections()
		}
		s.of, s.transport = settings, s.make(settings)
	}
	return s.transport, nil
}

// CloseIdleConnections closes the connections on which nothing is asked.
func (s *secured) CloseIdleConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport != nil {
		s.transport.CloseIdleConnections()
	}
}
