package platform

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/store"
)

// Names within the state directory.
const (
	stateFile     = "platform.db"
	packagesDir   = "packages"
	packageEnding = ".ota" // of a package's file
)

// keeping lets nothing leave the platform before the state that it follows from
// is on the disk. What has gathered meanwhile is written together, so the busier
// the platform is, the fewer writes it needs for a message.
type keeping struct {
	store *store.Store
	dirty chan struct{} // something waits

	flushing sync.Mutex // one flush at a time: messages leave in their order

	pending []stamped // guarded by the fake platform's mu
}

// ErrStorage is in every error for the reason that the state cannot be written.
var ErrStorage = errors.New("the platform's storage fails")

// stamped is an output with the time of the call that returned it.
type stamped struct {
	at  time.Time
	out engine.Output
}

// hold lets an output wait until the state is kept; the caller holds mu.
func (s *Service) hold(now time.Time, out engine.Output) {
	s.keeping.pending = append(s.keeping.pending, stamped{now, out})
}

// changed says that there may be something to keep; the caller holds mu.
func (k *keeping) changed() {
	select {
	case k.dirty <- struct{}{}:
	default:
	}
}

// keep flushes whenever something has changed, until ctx ends. Without a state
// directory there is nothing to do.
func (s *Service) keep(ctx context.Context) error {
	if s.keeping == nil {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.keeping.dirty:
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
}

// flush keeps the state, and then lets out what has waited for that.
func (s *Service) flush() error {
	k := s.keeping
	if k == nil {
		return nil
	}
	k.flushing.Lock()
	defer k.flushing.Unlock()
	s.mu.Lock()
	records, pending := s.engine.Changes(), k.pending
	k.pending = nil
	s.mu.Unlock()
	if err := k.store.Commit(records); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range pending {
		s.dispatch(p.at, p.out)
	}
	return nil
}

// closeState keeps what there is and lets go of the state directory.
func (s *Service) closeState() error {
	if s.keeping == nil {
		return nil
	}
	return errors.Join(s.flush(), s.keeping.store.Close())
}
