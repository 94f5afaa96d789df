package broker

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

const (
	listenerName   = "tcp"
	connectTimeout = 10 * time.Second // from a connection's first byte to its CONNECT
	acceptPause    = 50 * time.Millisecond
)

// gate takes connections for a server, knows the open ones, and cuts them when it is
// closed.
type gate struct {
	// immutable
	listener net.Listener
	server   *mqtt.Server
	log      *slog.Logger

	work sync.WaitGroup // connections and writers

	mu     sync.Mutex
	conns  map[net.Conn]*mqtt.Client // nil until it has a session
	closed bool
}

// serve takes connections until the gate is closed, and returns when the last
// goroutine has ended. gone hears of each connection that has ended, with its client if
// it had one.
func (g *gate) serve(gone func(*mqtt.Client)) error {
	if err := g.server.Serve(); err != nil {
		return errors.Join(err, g.Close())
	}
	for {
		conn, err := g.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			g.work.Wait()
			return g.server.Close()
		case err != nil: // such as too many open files: it passes
			g.log.Warn("cannot accept a connection", "error", err)
			time.Sleep(acceptPause)
		case !g.keep(conn, gone):
			cut(conn)
		}
	}
}

// keep serves conn in a goroutine of its own, unless the gate is closed.
func (g *gate) keep(conn net.Conn, gone func(*mqtt.Client)) bool {
	return g.spawn(func() {
		_ = conn.SetDeadline(time.Now().Add(connectTimeout))
		err := g.server.EstablishConnection(listenerName, conn)
		g.log.Debug("connection ended", "remote", conn.RemoteAddr().String(), "error", err)
		g.mu.Lock()
		client := g.conns[conn]
		delete(g.conns, conn)
		g.mu.Unlock()
		if client != nil {
			gone(client)
		}
	}, conn)
}

// spawn runs work, for connections that are new or for none, unless the gate is
// closed.
func (g *gate) spawn(work func(), fresh ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	for _, conn := range fresh {
		g.conns[conn] = nil
	}
	g.work.Go(work)
	return true
}

// owns notes whose connection it is.
func (g *gate) owns(client *mqtt.Client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, open := g.conns[client.Net.Conn]; open {
		g.conns[client.Net.Conn] = client
	}
}

// count counts the open connections.
func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// Close stops listening, cuts every connection and makes Run return. It does
// not wait for Run.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	err := g.listener.Close()
	for conn := range g.conns {
		cut(conn)
	}
	return err
}

// Addr is the address that is listened on.
func (g *gate) Addr() net.Addr { return g.listener.Addr() }

// cut closes conn with a reset where it can, so that neither side lingers and
// a TLS goodbye is not waited for.
func cut(conn net.Conn) {
	raw := conn
	if t, ok := conn.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = raw.Close()
}
