package netem

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Dialer opens connections; a net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Dialers are how the devices reach the broker: one for each source address.
type Dialers []Dialer

// NewDialers makes the Dialers of a run. Without source addresses the system
// chooses.
func NewDialers(sources []netip.Addr, poller *Poller) Dialers {
	var all Dialers
	for _, source := range sources {
		all = append(all, newDialer(net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0)), poller))
	}
	if all == nil {
		all = Dialers{newDialer(nil, poller)}
	}
	return all
}

// newDialer makes a dialer from a source address; nil leaves that to the system.
func newDialer(source net.Addr, poller *Poller) *polledDialer {
	return &polledDialer{net.Dialer{LocalAddr: source, Control: latePort}, poller}
}

// Of gives the dialer of a fleet's device number n: the devices take the
// addresses in turns.
func (d Dialers) Of(n int) Dialer { return d[n%len(d)] }

// bindAddressNoPort is Linux's IP_BIND_ADDRESS_NO_PORT, which package syscall
// does not name.
const bindAddressNoPort = 24

// latePort lets the system choose the port when it knows the other end. It would
// else look for one that no connection has, whatever its other end, for milliseconds
// among thousands, and soon find none. Go 1.26.8 binds a socket that is given no source,
// too. A kernel without the option (before 4.2) looks.
func latePort(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindAddressNoPort, 1)
	})
}

// polledDialer opens connections that the poller waits for.
type polledDialer struct {
	net.Dialer
	poller *Poller
}

// DialContext opens a TCP connection.
func (d *polledDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	tcp, err := d.dialTCP(ctx, network, address)
	if err != nil {
		return nil, err
	}
	polled, err := d.poller.adopt(tcp)
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return polled, nil
}

// dialTCP opens a connection. An address without a name goes without package net's
// resolver, which makes a list of it and several contexts.
func (d *polledDialer) dialTCP(ctx context.Context, network, address string) (*net.TCPConn, error) {
	if to, err := netip.ParseAddrPort(address); err == nil && d.LocalAddr == nil {
		return d.DialTCP(ctx, network, netip.AddrPort{}, to)
	}
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("internal error: %s gave no TCP connection", network), conn.Close())
	}
	return tcp, nil
}
