package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// inspectWait is how long a component may take to say what it runs. A modem may
// take most of it after power comes; one that is silent must not keep the others
// from being upgraded.
const inspectWait = 90 * time.Second

// silences are the components that do not say what they run. Each has a goroutine
// that asks it again, until it answers. The zero value is ready to use.
type silences struct {
	mu sync.Mutex // guards the following
	of map[string]*silence
}

// silence is one of them.
type silence struct {
	why   string        // what it answered first
	named chan struct{} // a plan names the component; room for one
	hands sync.Mutex    // held by whoever is at work on the component
}

// begin notes that a component is silent; nil if that is known.
func (s *silences) begin(component string, why error) *silence {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[component] != nil {
		return nil
	}
	if s.of == nil {
		s.of = map[string]*silence{}
	}
	q := &silence{why: why.Error(), named: make(chan struct{}, 1)}
	s.of[component] = q
	return q
}

func (s *silences) find(component string) *silence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[component]
}

func (s *silences) end(component string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, component)
}

// take keeps a component for an effect, which must not meet a question on its
// line, until release is called.
func (s *silences) take(component string) (release func()) {
	q := s.find(component)
	if q == nil {
		return func() {}
	}
	q.hands.Lock()
	return q.hands.Unlock
}

// named lets the silent components of a plan be asked soon.
func (s *silences) named(plan *ota.Plan) {
	for _, c := range plan.Components {
		if q := s.find(c.ID); q != nil {
			select {
			case q.named <- struct{}{}:
			default: // it is known
			}
		}
	}
}

// inspect asks a component what it runs.
func (r *Runner) inspect(ctx context.Context, component string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectWait)
	defer cancel()
	return r.inspectWithin(ctx, component)
}

// inspectWithin is inspect for as long as ctx lasts.
func (r *Runner) inspectWithin(ctx context.Context, component string) (string, error) {
	installer, err := r.installer(component)
	if err != nil {
		return "", err
	}
	found, err := installer.Inspect(ctx)
	if err == nil && !ota.ValidVersion(found.Version) {
		err = fmt.Errorf("%q is no version: want 1 to 64 printable characters", found.Version)
	}
	if err != nil {
		return "", err
	}
	return found.Version, nil
}

// silence tells of a component that did not say what it runs, and asks it again,
// in growing pauses and when a plan names it, until it answers.
func (r *Runner) silence(component string, why error) {
	r.ports.Logger.Warn("component does not say what it runs", "component", component, "error", why)
	if _, err := r.installer(component); err != nil {
		return // there is none to ask
	}
	q := r.silent.begin(component, why)
	if q == nil {
		return
	}
	r.tasks.Go(func() {
		for wait := retryFirst; q.pause(r.ctx, wait) == nil; wait = min(2*wait, retryCap) {
			if r.hears(component, q) {
				return
			}
		}
	})
}

// pause waits for its time, or until a plan names the component; but for
// retryFirst in any case, since plans may come as fast as a broker likes.
func (q *silence) pause(ctx context.Context, wait time.Duration) error {
	if err := firmware.Pause(ctx, retryFirst); err != nil || wait == retryFirst {
		return err
	}
	timer := time.NewTimer(wait - retryFirst)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-q.named:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// hears asks a silent component once, unless an effect is at work on it.
func (r *Runner) hears(component string, q *silence) bool {
	if !q.hands.TryLock() {
		return false
	}
	defer q.hands.Unlock()
	version, err := r.inspect(r.ctx, component)
	if err != nil {
		r.ports.Logger.Debug("component is still silent", "component", component, "error", err)
		return false
	}
	r.ports.Logger.Info("component answers", "component", component, "version", version)
	r.silent.end(component)
	r.Post(Inspected{component, version})
	return true
}
