package agent_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// What is tried again is said, with when that will be; and no longer than it lasts.
func TestExplainSaysWhatIsTriedAgain(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		tries := 0
		b.install = func(_ context.Context, step, _ string) error {
			if tries++; step == "activate" && tries < 5 {
				return fmt.Errorf("%w: exit status 75: the conveyor runs", firmware.ErrRetry)
			}
			return nil
		}
		b.upgrade(0)
		synctest.Wait()
		e := b.runner.View().Explained
		assert.Equal(t,
			"component app is being activated; its installer wants another try of activate (try again later: exit status 75: "+
				"the conveyor runs)",
			e.Sentence)
		assert.Equal(t, 5*time.Second, time.Until(e.Again))
		time.Sleep(time.Hour)
		assert.True(t, b.has("app=upgrade_succeeded"))
		assert.NotContains(t, b.runner.View().Waiting, "again")
	})
}

func TestExplainSaysWhyADownloadIsSlow(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.fetch = func(ctx context.Context, job agent.FetchJob) agent.FetchResult {
			job.Delayed("oss.example.com: HTTP status 503", 20*time.Second)
			_ = ctx.Err()
			time.Sleep(20 * time.Second)
			job.Progress(2, 2)
			time.Sleep(20 * time.Second)
			return agent.FetchResult{}
		}
		b.start()
		b.post(agent.Connected{}, b.plan("app"), b.pkg("app"))
		e := b.runner.View().Explained
		assert.Equal(t, "component app is being downloaded; the last request failed: oss.example.com: HTTP status 503",
			e.Sentence)
		assert.Equal(t, 20*time.Second, time.Until(e.Again))
		time.Sleep(30 * time.Second)
		assert.Equal(t, "component app is being downloaded", b.runner.View().Waiting)
	})
}

// A confirm command that wants to be asked again is, after a minute.
func TestConfirmCommandIsAskedAgain(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.config.AskFirst = true
		began, asked := time.Now(), []time.Duration{}
		b.confirmer = confirmFunc(func(context.Context, *ota.Plan) (bool, string, error) {
			if asked = append(asked, time.Since(began)); len(asked) < 3 {
				return false, "", fmt.Errorf("%w: exit status 75: no one is here", firmware.ErrRetry)
			}
			return true, "", nil
		})
		b.start()
		b.post(agent.Connected{}, b.plan("app"))
		e := b.runner.View().Explained
		assert.Contains(t, e.Sentence,
			"; the confirm command wants another try (try again later: exit status 75: no one is here)")
		assert.Equal(t, time.Minute, time.Until(e.Again))
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0, time.Minute, 2 * time.Minute}, asked)
		assert.True(t, b.has("accept"))
		assert.NotContains(t, b.runner.View().Waiting, "the confirm command")
	})
}

func TestViewSaysWhyThereIsNoConnection(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.unreached = func() string { return "the broker refuses: not authorized" }
		b.start()
		synctest.Wait()
		v := b.runner.View()
		assert.Equal(t, "the broker refuses: not authorized", v.Unreached)
		assert.Contains(t, v.Explained.Checks, agent.Check{Name: "connection",
			Have: "not connected: the broker refuses: not authorized"})
		b.post(agent.Connected{})
		assert.Empty(t, b.runner.View().Unreached)
	})
}

// A view names what keeps a component silent, and which version is on trial.
func TestViewOfComponents(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		var quiet atomic.Bool
		quiet.Store(true)
		b.inspect = func(_ context.Context, component string) (string, error) {
			if component == "motor" && quiet.Load() {
				return "", errors.New("exit status 1: the bus is off")
			}
			return b.runs[component], nil
		}
		b.health = func() error {
			assert.True(t, b.runner.View().Plan.Components[0].OnTrial)
			return nil
		}
		b.upgrade(0)
		time.Sleep(time.Second)
		assert.Contains(t, b.runner.View().Components[1].Silent, "exit status 1: the bus is off")
		assert.True(t, b.has("app=upgrade_succeeded"))
		assert.False(t, b.runner.View().Plan.Components[0].OnTrial)
		quiet.Store(false)
		time.Sleep(time.Minute)
		assert.Empty(t, b.runner.View().Components[1].Silent)
	})
}
