package page

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"otafleet/internal/httpserver"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/api"
)

// bodyTimeout is for every body but that of a package, which api gives longer.
const bodyTimeout = 30 * time.Second

// Config says where to listen, and to whom.
type Config struct {
	Address string // host:port; a port of 0 means a free one
	// Token is what callers must know; empty is allowed on the loopback alone.
	Token string
	// FileTypes are endings that files of an uploaded package may have, beside
	// those of engine.FileTypes.
	FileTypes []string
	Logger    *slog.Logger // nil discards
}

// Server is a listening server of pages and API.
type Server struct {
	config   Config
	guard    *api.Guard
	listener net.Listener
}

// Listen returns a server that listens, also before there is a platform to show.
// Callers wait until Run serves them.
func Listen(config Config) (*Server, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	guard, err := api.NewGuard(config.Address, config.Token)
	if err != nil {
		return nil, fmt.Errorf("cannot serve the pages at %q: %w", config.Address, err)
	}
	listener, err := net.Listen("tcp", config.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot serve the pages: %w", err)
	}
	return &Server{config, guard, listener}, nil
}

// URL is where a browser finds the pages.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Run serves the pages of a platform until ctx ends, and then cuts every
// connection.
func (s *Server) Run(ctx context.Context, shown *platform.Service) error {
	defer s.Close()
	handler, err := newHandler(shown, &s.config, s.guard)
	if err != nil {
		return err
	}
	server := httpserver.New(handler, s.config.Logger)
	server.ReadTimeout = bodyTimeout
	if err := httpserver.Run(ctx, server, s.listener, 0); err != nil {
		return fmt.Errorf("cannot serve the pages: %w", err)
	}
	return nil
}

// Close stops listening, if Run has not been called or has returned.
func (s *Server) Close() error { return httpserver.Close(s.listener) }
