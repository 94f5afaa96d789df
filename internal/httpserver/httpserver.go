// Package httpserver runs HTTP servers for clients that are not trusted, until a
// context ends.
//
// One flow through it: New gives a server its limits; Run answers at a listener, and
// cuts every connection when the context ends, so that the address is free when Run
// returns.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// What a client may take of a server that New returns.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10 // bytes
)

// New returns a server that limits the time and the size of a request's header, and
// the time of a connection without one. How long a body and an answer may take is
// for the caller to set. What goes wrong with a connection is logged for debugging;
// a nil logger discards it.
func New(handler http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Run answers at a listener until ctx ends or the server is closed. Requests in
// progress then have as long as grace to be answered; without one they are cut at
// once. It closes the listener, and returns an error if accepting ends by itself.
func Run(ctx context.Context, server *http.Server, listener net.Listener, grace time.Duration) error {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		end(context.WithoutCancel(ctx), server, grace)
	})
	err := server.Serve(listener)
	if !stop() {
		<-closed // Serve returns while connections are being closed
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func end(ctx context.Context, server *http.Server, grace time.Duration) {
	if grace > 0 {
		ctx, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		if server.Shutdown(ctx) == nil {
			return
		}
	}
	_ = server.Close() // the listener's error is of no use to anybody: it is not listened to any more
}

// Close closes a listener, which Run may have closed already.
func Close(listener net.Listener) error {
	if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
