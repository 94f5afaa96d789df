package control

import (
	"net"
	"sync"
)

// What one user, and all users but root and the agent's own, may have open at
// once. A connection costs memory and a descriptor, which an upgrade may need.
const (
	maxOfUser = 8
	maxOfAll  = 32
)

// listener accepts no more connections than the agent can bear. Those of root
// and of the agent's own user are always accepted, so that no other user can keep
// an operator out.
type listener struct {
	net.Listener
	mu   sync.Mutex
	open map[uint32]int // connections by user, without the trusted ones
	all  int
}

// peerConn is a connection of a peer that is known.
type peerConn struct {
	net.Conn
	peer *peer
	once sync.Once
	gone func()
}

// Accept gives the next connection that is not one too many; it closes the others.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p, err := peerOf(conn)
		if err == nil && l.enter(p) {
			return &peerConn{Conn: conn, peer: p, gone: func() { l.leave(p) }}, nil
		}
		_ = conn.Close()
	}
}

func (l *listener) enter(p *peer) bool {
	if p.trusted() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxOfAll || l.open[p.uid] >= maxOfUser {
		return false
	}
	l.open[p.uid]++
	l.all++
	return true
}

func (l *listener) leave(p *peer) {
	if p.trusted() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.open[p.uid]--; l.open[p.uid] == 0 {
		delete(l.open, p.uid)
	}
}

// Close ends the connection, and makes room for another.
func (c *peerConn) Close() error {
	c.once.Do(c.gone)
	return c.Conn.Close()
}
