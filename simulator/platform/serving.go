package platform

import (
	"context"
	"sync"
)

// serving runs the parts of a fake platform, also external ones in the place of embedded ones
// while it runs. One that fails ends them all.
type serving struct {
	parts sync.WaitGroup

	mu     sync.Mutex // guards the following
	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  bool
}

// begin lets parts run until parent ends.
func (s *serving) begin(parent context.Context) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx, s.cancel = context.WithCancelCause(parent)
	s.ended = false
	return s.ctx
}

// start runs a part. It returns false if the end has come. Before the beginning it
// does nothing: what is there then is started at the beginning.
func (s *serving) start(run func(context.Context) error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return false
	case s.ctx == nil:
		return true
	}
	s.parts.Go(func() {
		if err := run(s.ctx); err != nil {
			s.cancel(err) // after the end it changes nothing
		}
	})
	return true
}

// fail ends everything with a reason.
func (s *serving) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel(err)
}

// end starts no further part, waits for those that run and gives the reason for
// which they ended; nil if parent has ended.
func (s *serving) end(parent context.Context) error {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.parts.Wait()
	defer s.cancel(nil)
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(s.ctx)
}
