package netem

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// pollEvents is how many sockets are asked about at once.
const pollEvents = 128

// Poller waits for the sockets of all devices, so that an idle device needs no
// goroutine: the stack of one takes as much memory as all else that its session
// holds.
type Poller struct {
	list *os.File // the kernel's, of sockets (epoll)
	raw  syscall.RawConn

	mu      sync.Mutex // guards the following
	waiting map[int]func()
}

// NewPoller opens the kernel's list of sockets.
func NewPoller() (*Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot wait for sockets: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot wait for sockets: %w", err), syscall.Close(fd))
	}
	p := &Poller{list: os.NewFile(uintptr(fd), "epoll"), waiting: map[int]func(){}}
	if p.raw, err = p.list.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot wait for sockets: %w", err), p.list.Close())
	}
	return p, nil
}

// Run serves until Close.
func (p *Poller) Run() {
	var events [pollEvents]syscall.EpollEvent
	workers := newWorkers()
	defer workers.end()
	for {
		n := 0
		err := p.raw.Read(func(list uintptr) bool {
			var err error
			for n, err = syscall.EpollWait(int(list), events[:], 0); errors.Is(err, syscall.EINTR); {
				n, err = syscall.EpollWait(int(list), events[:], 0)
			}
			return n > 0
		})
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			if ready := p.take(int(e.Fd)); ready != nil {
				workers.do(ready)
			}
		}
	}
}

// Close ends Run. Sockets that something waits for are not closed.
func (p *Poller) Close() error { return p.list.Close() }

// take gives who waits for a socket, who then waits no more; nil if none does.
func (p *Poller) take(fd int) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	ready := p.waiting[fd]
	delete(p.waiting, fd)
	return ready
}

// watch lets ready be called when a socket has something to read. After an error
// none waits.
func (p *Poller) watch(fd int, ready func()) error {
	p.mu.Lock()
	p.waiting[fd] = ready
	p.mu.Unlock()
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(fd)}
	var err error
	closed := p.raw.Control(func(list uintptr) {
		err = syscall.EpollCtl(int(list), syscall.EPOLL_CTL_MOD, fd, &event)
		if errors.Is(err, syscall.ENOENT) { // it is new to the list
			err = syscall.EpollCtl(int(list), syscall.EPOLL_CTL_ADD, fd, &event)
		}
	})
	if err = errors.Join(closed, err); err != nil {
		p.take(fd)
	}
	return err
}

// polledConn is a TCP connection that the poller waits for.
type polledConn struct {
	*net.TCPConn
	raw    syscall.RawConn
	poller *Poller

	mu     sync.Mutex // guards the following
	closed bool
}

// adopt lets the poller wait for a connection.
func (p *Poller) adopt(conn *net.TCPConn) (*polledConn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &polledConn{TCPConn: conn, raw: raw, poller: p}, nil
}

// Await calls ready once, when there is something to read or the connection is
// closed (native.Awaiter).
func (c *polledConn) Await(ready func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := net.ErrClosed
	if !c.closed {
		_ = c.raw.Control(func(fd uintptr) { err = c.poller.watch(int(fd), ready) })
	}
	if err != nil {
		go ready() // a read tells what is the matter
	}
}

// Close closes the connection. The kernel forgets it without a word, so whoever
// waits learns it here.
func (c *polledConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var ready func()
	_ = c.raw.Control(func(fd uintptr) { ready = c.poller.take(int(fd)) })
	if ready != nil {
		go ready()
	}
	return c.TCPConn.Close()
}
