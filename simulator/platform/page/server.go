package page

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/api"
)

const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second // but for packages, which api gives longer
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10 // bytes
)

// Config says where to listen and what to show.
type Config struct {
	Address string // host:port; a port of 0 means a free one
	// Token is what callers must know; empty is allowed on the loopback alone.
	Token    string
	Platform *platform.StandIn
	Logger   *slog.Logger // nil discards
}

// Server is a listening server of pages and API.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen returns a server that listens. Callers wait until Run serves them.
func Listen(config Config) (*Server, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	guard, err := api.NewGuard(config.Address, config.Token)
	if err != nil {
		return nil, fmt.Errorf("cannot serve the pages at %q: %w", config.Address, err)
	}
	handler, err := newHandler(config, guard)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", config.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot serve the pages: %w", err)
	}
	return &Server{listener: listener, http: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug),
	}}, nil
}

// URL is where a browser finds the pages.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Run serves until ctx ends, and then cuts every connection.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("cannot serve the pages: %w", err)
	}
	return nil
}

// Close stops listening and makes Run return.
func (s *Server) Close() error {
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(s.http.Close(), err)
}
