package agent

import (
	"context"
	"fmt"
)

// probe is an input that the Runner answers itself, in its turn. There is one in the
// queue at most, for everybody who waits for an answer.
type probe struct{}

func (probe) input() {}

// Answers returns nil when the device makes progress: the inputs that are
// waiting, and a probe behind them, have passed through the machine; or what
// keeps them (a state that cannot be saved, a restart that is refused) is known
// and tried again, where beginning anew would help nothing. It waits until ctx
// ends. Effects run beside the machine, so that a long one keeps no other waiting.
func (r *Runner) Answers(ctx context.Context) error {
	select {
	case <-r.sendProbe():
		return nil
	case <-ctx.Done():
	}
	if r.View().Trouble != "" {
		return nil
	}
	return fmt.Errorf("the machine does not answer: %w", ctx.Err())
}

// sendProbe returns what is closed when the probe that waits is answered.
func (r *Runner) sendProbe() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.probe == nil {
		r.probe = make(chan struct{})
		r.post(probe{})
	}
	return r.probe
}

// answer proves that the machine is free to think, and the queue in motion.
func (r *Runner) answer() {
	r.machineMu.Lock()
	defer r.machineMu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.probe)
	r.probe = nil
}
