// Package transport carries HTTP requests by TLS settings that may change under a
// running program: certificates are renewed.
//
// One flow through it: New takes what gives the settings of the request that follows;
// RoundTrip makes another http.Transport when they are other ones, and drops the idle
// connections of the one before.
package transport

import (
	"crypto/tls"
	"net/http"
	"sync"
)

// Transport is an http.RoundTripper. It is safe for concurrent use.
type Transport struct {
	settings func() (*tls.Config, error)
	make     func(*tls.Config) *http.Transport

	mu        sync.Mutex // guards the following
	of        *tls.Config
	transport *http.Transport
}

// New returns a Transport. settings is asked before each request, from several
// goroutines at once, and gives another value only when the settings have changed.
func New(settings func() (*tls.Config, error), make func(*tls.Config) *http.Transport) *Transport {
	return &Transport{settings: settings, make: make}
}

// Unusable is the error of a request for which there are no settings.
type Unusable struct{ Err error }

func (u *Unusable) Error() string {
	return "this device's certificates cannot be used: " + u.Err.Error()
}

// Unwrap returns why.
func (u *Unusable) Unwrap() error { return u.Err }

// RoundTrip sends a request by the settings that hold now. Without any, the error is
// an *Unusable.
func (s *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t, err := s.current()
	if err != nil {
		return nil, &Unusable{err}
	}
	return t.RoundTrip(r)
}

func (s *Transport) current() (*http.Transport, error) {
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
func (s *Transport) CloseIdleConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport != nil {
		s.transport.CloseIdleConnections()
	}
}
