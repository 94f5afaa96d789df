package hawkbit

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"otafleet/internal/httpserver"
	"otafleet/simulator/platform"
)

// bodyTimeout is for the body of a request, and for its answer.
const bodyTimeout = time.Minute

// Server is a listening server of the API.
type Server struct {
	config   Config
	listener net.Listener
}

// Listen returns a server that listens at host:port, also before there is a platform.
// Devices wait until Run serves them.
func Listen(address string, config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("cannot serve hawkBit's API: %w", err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot serve hawkBit's API: %w", err)
	}
	return &Server{config.withDefaults(), listener}, nil
}

// URL is the address that devices are configured with.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves the devices of a platform until ctx ends, and then cuts every connection.
func (s *Server) Run(ctx context.Context, shown *platform.Service) error {
	defer s.Close()
	handler, err := New(shown, s.config)
	if err != nil {
		return err
	}
	server := httpserver.New(handler, s.config.Logger)
	server.ReadTimeout, server.WriteTimeout = bodyTimeout, bodyTimeout
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { handler.Watch(ctx) })
	if err := httpserver.Run(ctx, server, s.listener, 0); err != nil {
		return fmt.Errorf("cannot serve hawkBit's API: %w", err)
	}
	return nil
}

// Close stops listening, if Run has not been called or has returned.
func (s *Server) Close() error { return httpserver.Close(s.listener) }
