// Package address keeps TCP addresses while no server listens on them. A port of a
// server that is down is free otherwise, and the system gives it to the next
// listener that asks for any port, or to a connection: even to one that is looking
// for that server.
//
// One flow through it: Keep binds a socket to an address, and never listens on it;
// a server listens there, ends, and another one listens there again, each as if
// the address were free; Release gives it up.
//
// It does not keep a program away that asks for the address by its number, and is of
// no use to a server that does not set SO_REUSEADDR, as nearly all do, and all of
// package net.
package address

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Kept is an address that is kept. Its zero value keeps none.
type Kept struct {
	socket int    // 0 for none
	text   string // host:port
}

// Keep keeps an address, host:port, on which no server listens now; port 0 is one
// that is free.
func Keep(address string) (Kept, error) {
	fail := func(err error) (Kept, error) {
		return Kept{}, fmt.Errorf("cannot keep the address %s: %w", address, err)
	}
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return fail(err)
	}
	family, to := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: tcp.Port})
	if v4 := tcp.IP.To4(); v4 != nil {
		family, to = syscall.AF_INET, &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(v4)}
	} else if tcp.IP != nil {
		to = &syscall.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(tcp.IP)}
	}
	socket, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	port, err := bind(socket, to)
	if err != nil {
		return fail(errors.Join(err, syscall.Close(socket)))
	}
	host, _, _ := net.SplitHostPort(address)
	return Kept{socket: socket, text: net.JoinHostPort(host, strconv.Itoa(port))}, nil
}

// bind gives a socket its address, and the port that it has then.
func bind(socket int, to syscall.Sockaddr) (port int, err error) {
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(socket, to); err != nil {
		return 0, err
	}
	bound, err := syscall.Getsockname(socket)
	switch bound := bound.(type) {
	case *syscall.SockaddrInet4:
		port = bound.Port
	case *syscall.SockaddrInet6:
		port = bound.Port
	}
	return port, err
}

// String is the address, host:port; empty for none.
func (k *Kept) String() string { return k.text }

// Release gives the address up. It may be called again.
func (k *Kept) Release() {
	if k.socket > 0 {
		_ = syscall.Close(k.socket)
	}
	k.socket = 0
}
