package agent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
)

func (b *bench) answers() error {
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	return b.runner.Answers(ctx)
}

func TestRunnerAnswers(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.start()
		assert.NoError(t, b.answers())
		b.saving(func() error { return errors.New("no space left on device") })
		b.post(agent.Connected{}, b.plan("app"))
		assert.NoError(t, b.answers(), "a full disk is known, and no better after a new start")
		b.saving(nil)
		time.Sleep(time.Minute)
		assert.NoError(t, b.answers())
	})
}

func TestRunnerAnswersDuringAnEffect(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.fetch = func(ctx context.Context, _ agent.FetchJob) agent.FetchResult {
			<-ctx.Done()
			return agent.FetchResult{}
		}
		b.upgrade(time.Hour)
		assert.NoError(t, b.answers())
	})
}

func TestRunnerThatHangsDoesNotAnswer(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		mended := make(chan struct{})
		b.saving(func() error { <-mended; return nil })
		b.start()
		b.post(agent.Connected{}, b.plan("app"))
		assert.ErrorIs(t, b.answers(), context.DeadlineExceeded, "a storage that never returns")
		close(mended)
		assert.NoError(t, b.answers())
	})
}
