package real

import (
	"context"
	"sync"
	"time"
)

// pause is something that a device does after a time. A device on a bad line has many of
// them for hours, so none takes a goroutine while it waits.
type pause struct {
	do, over func() // over is called when nothing comes of it any more

	mu    sync.Mutex // guards the following, which are set once
	timer *time.Timer
	stop  func() bool // lets the end of the run go unheard
}

// wait lets something happen after a time, unless ctx ends before. Then, or after that, over
// is called.
func wait(ctx context.Context, delay time.Duration, do, over func()) {
	p := &pause{do: do, over: over}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(delay, p.fire)
	p.stop = context.AfterFunc(ctx, p.drop)
}

func (p *pause) fire() {
	defer p.over()
	p.mu.Lock()
	stop := p.stop
	p.mu.Unlock()
	if stop() {
		p.do()
	}
}

// drop ends the pause with the run. If the time is over in the same moment, fire does.
func (p *pause) drop() {
	p.mu.Lock()
	timer := p.timer
	p.mu.Unlock()
	if timer.Stop() {
		p.over()
	}
}
