package agent

import (
	"context"
	"fmt"
)

// probe is an input that the Runner answers itself, in its turn.
type probe struct{ answered chan struct{} }

func (probe) input() {}

// Answers returns nil when the device makes progress: the inputs that are
// waiting, and a probe behind them, have passed through the machine; or what
// keeps them (a state that cannot be saved, a restart that is refused) is known
// and tried again, where beginning anew would help nothing. It waits until ctx
// ends. Effects run beside the machine, so that a long one keeps nobody waiting.
func (r *Runner) Answers(ctx context.Context) error {
	p := probe{make(chan struct{})}
	r.Post(p)
	select {
	case <-p.answered:
		return nil
	case <-ctx.Done():
	}
	if r.View().Trouble != "" {
		return nil
	}
	return fmt.Errorf("the machine does not answer: %w", ctx.Err())
}

// answer proves that the machine is free to think, and the queue in motion.
func (r *Runner) answer(p probe) {
	r.machineMu.Lock()
	defer r.machineMu.Unlock()
	close(p.answered)
}
