package porttest

import (
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"otafleet/firmware/port"
)

// wire is a cable in memory, as its far end sees it. What is written waits for its
// reader, as in a terminal.
type wire struct {
	in, out *pipe // of the far end
	mu      sync.Mutex
	taken   bool // the near end is open
}

func newWire() *wire { return &wire{in: newPipe(), out: newPipe()} }

// open opens the near end, which one program has at a time.
func (w *wire) open() (port.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taken {
		return nil, syscall.EBUSY
	}
	w.taken = true
	_ = w.out.setDeadline(time.Time{}) // of the opening before
	return &near{wire: w}, nil
}

func (w *wire) Read(b []byte) (int, error)          { return w.in.read(b) }
func (w *wire) Write(b []byte) (int, error)         { return w.out.write(b) }
func (w *wire) SetReadDeadline(end time.Time) error { return w.in.setDeadline(end) }

// Close hangs up: both ends get errors from now on.
func (w *wire) Close() error {
	w.in.hangUp()
	w.out.hangUp()
	return nil
}

// near is the near end of a wire from its opening to its closing.
type near struct {
	wire   *wire
	closed atomic.Bool
}

func (n *near) Read(b []byte) (int, error)       { return n.wire.out.read(b) }
func (n *near) Write(b []byte) (int, error)      { return n.wire.in.write(b) }
func (n *near) SetWriteDeadline(time.Time) error { return nil } // a write never waits
func (n *near) Drop()                            { n.wire.out.drop() }

// SetReadDeadline leaves alone what the next opening reads.
func (n *near) SetReadDeadline(end time.Time) error {
	if n.closed.Load() {
		return fs.ErrClosed
	}
	return n.wire.out.setDeadline(end)
}

// Close gives the near end back. The wire and what comes on it stay.
func (n *near) Close() error {
	n.closed.Store(true)
	n.wire.mu.Lock()
	defer n.wire.mu.Unlock()
	n.wire.taken = false
	return nil
}

// pipe is one direction of a wire.
type pipe struct {
	mu       sync.Mutex
	held     []byte
	down     bool
	deadline time.Time     // of the reader
	changed  chan struct{} // closed at the next change
}

func newPipe() *pipe { return &pipe{changed: make(chan struct{})} }

// change makes a change and wakes the reader.
func (p *pipe) change(by func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	by()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pipe) drop()   { p.change(func() { p.held = nil }) }
func (p *pipe) hangUp() { p.change(func() { p.held, p.down = nil, true }) }

func (p *pipe) setDeadline(end time.Time) error {
	p.change(func() { p.deadline = end })
	return nil
}

func (p *pipe) write(b []byte) (n int, err error) {
	p.change(func() {
		if p.down {
			err = syscall.EIO
			return
		}
		p.held, n = append(p.held, b...), len(b)
	})
	return n, err
}

func (p *pipe) read(b []byte) (int, error) {
	for {
		n, changed, left, err := p.take(b)
		if n > 0 || err != nil {
			return n, err
		}
		late := time.NewTimer(left)
		select {
		case <-changed:
		case <-late.C:
		}
		late.Stop()
	}
}

// take takes what is there. Where there is nothing it says what to wait for, and for
// how long.
func (p *pipe) take(b []byte) (n int, changed <-chan struct{}, left time.Duration, err error) {
	const forever = 24 * time.Hour
	p.mu.Lock()
	defer p.mu.Unlock()
	left = forever
	if !p.deadline.IsZero() {
		left = time.Until(p.deadline)
	}
	switch {
	case p.down:
		return 0, nil, 0, fs.ErrClosed
	case len(p.held) > 0 && left > 0:
		n = copy(b, p.held)
		p.held = p.held[n:]
		return n, nil, 0, nil
	case left <= 0:
		return 0, nil, 0, os.ErrDeadlineExceeded
	}
	return 0, p.changed, left, nil
}
