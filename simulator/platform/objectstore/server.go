package objectstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"otafleet/internal/httpserver"
)

// ServerConfig says where to listen and what to serve.
type ServerConfig struct {
	Address string       // empty means 127.0.0.1:0, a free port
	TLS     *tls.Config  // nil means plain HTTP
	Handler http.Handler // a Store, or one behind something that makes it fail
	Logger  *slog.Logger // nil discards
}

// Server is a listening HTTP server.
type Server struct {
	listener net.Listener
	http     *http.Server
	scheme   string
}

// Listen returns a server that listens. Connections wait until Run serves
// them.
func Listen(cfg ServerConfig) (*Server, error) {
	if cfg.Handler == nil {
		return nil, errors.New("cannot start the object store: want a handler")
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot start the object store: %w", err)
	}
	s := &Server{listener, httpserver.New(cfg.Handler, cfg.Logger), "http"}
	if cfg.TLS != nil {
		s.scheme = "https"
		s.listener = tls.NewListener(listener, cfg.TLS)
	}
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is the server's address.
func (s *Server) URL() string { return s.scheme + "://" + s.Addr().String() }

// Run serves until ctx ends or Close is called, and then cuts every
// connection; the address is free at once. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	if err := httpserver.Run(ctx, s.http, s.listener, 0); err != nil {
		return fmt.Errorf("cannot run the object store: %w", err)
	}
	return nil
}

// Close stops listening, cuts every connection and makes Run return.
func (s *Server) Close() error {
	return errors.Join(s.http.Close(), httpserver.Close(s.listener))
}
