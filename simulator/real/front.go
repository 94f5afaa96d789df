package real

import (
	"context"
	"errors"
	"sync"

	"otafleet/internal/address"
	"otafleet/simulator/platform"
)

// front is a server of the fake platform's for one dialect, which can be killed and
// started again at its address.
type front struct {
	// Immutable after open.
	listen func(address string) (server, error)
	place  address.Kept
	again  chan struct{} // has one when the server is to listen again

	mu     sync.Mutex // guards the following
	server server
	kill   context.CancelFunc // of what serves; nil if nothing does
}

// server serves devices of one dialect.
type server interface {
	URL() string
	Run(ctx context.Context, p *platform.Service) error
	Close() error
}

// open listens at a free port of the loopback.
func (f *front) open(listen func(address string) (server, error)) (err error) {
	f.listen, f.again = listen, make(chan struct{}, 1)
	if f.place, err = address.Keep("127.0.0.1:0"); err != nil {
		return err
	}
	if f.server, err = listen(f.place.String()); err != nil {
		f.place.Release()
	}
	return err
}

// run serves devices, again and again if it is stopped between.
func (f *front) run(ctx context.Context, p *platform.Service) error {
	for {
		serving, cancel := context.WithCancel(ctx)
		f.mu.Lock()
		server := f.server
		f.kill = cancel
		f.mu.Unlock()
		err := server.Run(serving, p)
		cancel()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.again:
		}
		fresh, err := f.listen(f.place.String())
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.server = fresh
		f.mu.Unlock()
	}
}

// stop kills the server with everything that it is at.
func (f *front) stop(*platform.Service) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kill == nil {
		return errors.New("cannot stop what serves the devices: it does not run")
	}
	f.kill()
	return nil
}

// start lets it serve again.
func (f *front) start(*platform.Service) {
	select {
	case f.again <- struct{}{}:
	default:
	}
}

func (f *front) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.place.Release()
	return f.server.Close()
}
