package hawkbit

import (
	"sync"
	"time"
)

// pacer spreads requests. The zero value lets all of them go at once.
type pacer struct {
	every time.Duration

	mu   sync.Mutex // guards the following
	free time.Time  // when the next one may go
}

// next is how long the next request has to wait.
func (p *pacer) next(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.free
	if at.Before(now) {
		at = now
	}
	p.free = at.Add(p.every)
	return at.Sub(now)
}
